from __future__ import annotations

import os
from pathlib import Path

import pytest

from natsgen.files.tree import File
from natsgen.transaction import fsops


@pytest.mark.parametrize(("umask", "plain", "executable"), [(0o022, 0o644, 0o755), (0o077, 0o600, 0o700)])
def test_a_file_gets_the_mode_that_the_umask_allows(tmp_path: Path, umask: int, plain: int, executable: int) -> None:
    before = os.umask(umask)
    try:
        fsops.write(tmp_path / "plain", File(b"x"))
        fsops.write(tmp_path / "run", File(b"x", executable=True))
    finally:
        os.umask(before)
    assert (tmp_path / "plain").stat().st_mode & 0o777 == plain
    assert (tmp_path / "run").stat().st_mode & 0o777 == executable


def test_writing_never_replaces_a_file_or_follows_a_symlink(tmp_path: Path) -> None:
    (tmp_path / "there").write_text("mine")
    (tmp_path / "link").symlink_to("nowhere")
    for name in ("there", "link"):
        with pytest.raises(FileExistsError):
            fsops.write(tmp_path / name, File(b"x"))
    assert (tmp_path / "there").read_text() == "mine"
    assert not (tmp_path / "nowhere").exists()


def test_a_write_that_the_system_cuts_short_is_completed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: whole(descriptor, data[:3]))
    fsops.write(tmp_path / "file", File(b"0123456789"))
    assert (tmp_path / "file").read_bytes() == b"0123456789"


def test_moving_never_replaces_what_has_the_name(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("new")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "x").touch()
    (tmp_path / "taken").write_text("old")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "y").touch()
    for source, target in (("file", "taken"), ("file", "full"), ("folder", "taken"), ("folder", "full")):
        with pytest.raises(FileExistsError, match=target):
            fsops.move(tmp_path / source, tmp_path / target)
    assert (tmp_path / "taken").read_text() == "old"
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["file", "folder", "full", "taken", "x", "y"]


def test_moving_works_where_there_are_no_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    (tmp_path / "file").write_text("new")
    (tmp_path / "taken").write_text("old")
    with pytest.raises(OSError, match="not permitted"):
        fsops.move(tmp_path / "file", tmp_path / "taken")
    fsops.move(tmp_path / "file", tmp_path / "free")
    assert (tmp_path / "free").read_text() == "new"


def test_a_move_that_was_cut_off_between_its_two_steps_is_completed_by_moving_again(tmp_path: Path) -> None:
    (tmp_path / "old").write_text("x")
    (tmp_path / "new").hardlink_to(tmp_path / "old")
    fsops.move(tmp_path / "old", tmp_path / "new")
    assert [path.name for path in tmp_path.iterdir()] == ["new"]


def test_removing_a_folder_leaves_what_its_symlinks_point_to(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "file").touch()
    (tmp_path / "gone" / "deep").mkdir(parents=True)
    (tmp_path / "gone" / "link").symlink_to(tmp_path / "kept")
    fsops.remove(tmp_path / "gone")
    fsops.remove(tmp_path / "gone")
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]
    assert (tmp_path / "kept" / "file").exists()
