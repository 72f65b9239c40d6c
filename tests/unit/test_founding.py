"""`init`: natsgen.toml, and a .gitignore that loses nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from natsgen.answers import questions
from natsgen.errors import ConflictError, ServiceError
from natsgen.files import tree
from natsgen.files.workspace import Workspace
from natsgen.rendering import template_source
from natsgen.services import init_workspace
from natsgen.services.writer import Writer
from natsgen.transaction.change import Change

ASKED = questions.read(template_source.bundled().folder)
ALL = "".join(f"{entry}\n" for entry in init_workspace.IGNORED)


def found(workspace: Workspace, *, dry_run: bool = False) -> Change:
    return init_workspace.init_workspace(Writer(workspace, dry_run, print), ASKED)


def test_both_files_are_written_where_there_is_nothing(workspace: Workspace) -> None:
    found(workspace)
    assert sorted(path.name for path in workspace.root.iterdir()) == [".gitignore", "natsgen.toml"]
    assert (workspace.root / ".gitignore").read_text() == ALL


def test_a_dry_run_writes_nothing_and_does_not_make_the_workspace(workspace: Workspace) -> None:
    new = Workspace(workspace.root / "new")
    assert "+[defaults]" in found(new, dry_run=True).diff()
    assert not new.root.exists()
    assert found(new).added


@pytest.mark.parametrize("content", ["mine", ""])
def test_a_natsgen_toml_that_is_there_is_left_alone(workspace: Workspace, content: str) -> None:
    (workspace.root / "natsgen.toml").write_text(content)
    with pytest.raises(ConflictError, match="exists already: edit it"):
        found(workspace)
    assert (workspace.root / "natsgen.toml").read_text() == content
    assert not (workspace.root / ".gitignore").exists()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"", ALL.encode()),
        (b"mine\n.venv/\n", b"mine\n.venv/\n" + ALL.replace(".venv/\n", "").encode()),
        (b"mine\n.venv", b"mine\n.venv\n" + ALL.replace(".venv/\n", "").encode()),
        (b"**/.env\n", b"**/.env\n" + ALL.replace(".env\n", "").encode()),
        (b"!.env\n", b"!.env\n" + ALL.replace(".env\n", "").encode()),
        (b"mine\r\n", b"mine\r\n" + ALL.replace("\n", "\r\n").encode()),
        (b"\xff\n", b"\xff\n" + ALL.encode()),
        (ALL.encode(), ALL.encode()),
        (ALL.encode().rstrip(), ALL.encode().rstrip()),
    ],
)
def test_a_gitignore_gets_only_what_is_missing(before: bytes, after: bytes) -> None:
    assert init_workspace.with_ignored(before) == after


@given(st.binary(max_size=60))
def test_a_gitignore_keeps_all_it_had_and_needs_no_second_time(content: bytes) -> None:
    once = init_workspace.with_ignored(content)
    assert once.startswith(content)
    assert init_workspace.with_ignored(once) == once


def test_a_complete_gitignore_is_not_touched(workspace: Workspace) -> None:
    (workspace.root / ".gitignore").write_text(ALL)
    assert found(workspace).replaced == ()


def test_a_gitignore_that_is_a_symlink_is_left_alone(workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "theirs").write_text("x")
    (workspace.root / ".gitignore").symlink_to(tmp_path / "theirs")
    with pytest.raises(ServiceError, match="not a regular file"):
        found(workspace)
    assert tree.read(tmp_path)
    assert (tmp_path / "theirs").read_text() == "x"
    assert not (workspace.root / "natsgen.toml").exists()
