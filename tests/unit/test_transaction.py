"""Every file operation of a transaction is made to fail once, and the process to die there once."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest

from natsgen.errors import ConflictError, NatsgenError, TransactionError
from natsgen.files import tree
from natsgen.files.tree import File, Tree
from natsgen.files.workspace import Workspace
from natsgen.transaction import hashes, state, transaction
from natsgen.transaction.change import Change
from natsgen.transaction.state import Area

OPERATIONS = ("open", "write", "fsync", "rename", "link", "unlink", "mkdir", "rmdir", "chmod")
FILES: Tree = {
    PurePosixPath("compose/billing.yml"): File(b"compose"),
    PurePosixPath("services/billing/README.md"): File(b"readme"),
    PurePosixPath("services/billing/src/main.py"): File(b"main", executable=True),
}
BEFORE: Tree = {
    PurePosixPath("compose/infrastructure.yml"): File(b"theirs"),
    PurePosixPath("natsgen.toml"): File(b"root"),
}
AFTER: Tree = dict(sorted({**BEFORE, **FILES}.items()))

# Adds FILES in a process that is killed before its n-th file operation; the same operations as `breaking` breaks.
VICTIM = """
import os, signal, sys
from pathlib import Path, PurePosixPath
from natsgen.transaction import transaction
from natsgen.transaction.change import Change
from natsgen.files.tree import File
from natsgen.files.workspace import Workspace

left = int(sys.argv[2])

def counted(function):
    def call(*arguments, **options):
        global left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*arguments, **options)
    return call

files = {
    PurePosixPath("compose/billing.yml"): File(b"compose"),
    PurePosixPath("services/billing/README.md"): File(b"readme"),
    PurePosixPath("services/billing/src/main.py"): File(b"main", executable=True),
}
workspace = Workspace(Path(sys.argv[1]))
with transaction.session(workspace, print):
    for name in sys.argv[3].split(","):
        setattr(os, name, counted(getattr(os, name)))
    transaction.apply(workspace, Change(after=files), "new worker billing")
"""


@pytest.fixture
def shop(workspace: Workspace) -> Workspace:
    """A workspace with a compose folder and no services yet: the transaction adds a file to one and makes the other."""
    for path, file in BEFORE.items():
        (workspace.root / path).parent.mkdir(exist_ok=True)
        (workspace.root / path).write_bytes(file.content)
    return workspace


@contextmanager
def breaking(number: int, error: BaseException, *, for_good: bool = False) -> Iterator[list[str]]:
    """Lets the file operation of that number fail, from 1, or all from there on; yields the operations that were done.

    Opening and syncing are counted like the rest: a full or failing disk shows in any of them.
    """
    done: list[str] = []
    originals = {name: getattr(os, name) for name in OPERATIONS}

    def counted(name: str) -> Callable[..., object]:
        def call(*arguments: object, **options: object) -> object:
            done.append(name)
            if len(done) == number or (for_good and len(done) > number):
                raise error
            return originals[name](*arguments, **options)

        return call

    for name in OPERATIONS:
        setattr(os, name, counted(name))
    try:
        yield done
    finally:
        for name, original in originals.items():
            setattr(os, name, original)


def add(workspace: Workspace, files: Tree = FILES) -> None:
    with transaction.session(workspace, lambda _: None):
        transaction.apply(workspace, Change(after=files), "new worker billing")


def add_breaking(workspace: Workspace, number: int, error: BaseException, *, for_good: bool = False) -> list[str]:
    with transaction.session(workspace, lambda _: None), breaking(number, error, for_good=for_good) as done:
        transaction.apply(workspace, Change(after=FILES), "new worker billing")
    return done


def error_of(workspace: Workspace, number: int, error: OSError, *, for_good: bool = False) -> str | None:
    """What the person is told; None if it was done all the same."""
    try:
        add_breaking(workspace, number, error, for_good=for_good)
    except TransactionError as told:
        return str(told)
    return None


def recover(workspace: Workspace) -> list[str]:
    messages: list[str] = []
    with transaction.session(workspace, messages.append):
        pass
    return messages


def folders(workspace: Workspace) -> set[str]:
    return {path.name for path in workspace.root.iterdir() if path.is_dir()}


def count_of_operations(workspace: Workspace) -> int:
    return len(add_breaking(workspace, 0, OSError()))


def test_all_files_are_added_and_nothing_else_is_left(shop: Workspace) -> None:
    add(shop)
    assert tree.read(shop.root) == AFTER
    assert folders(shop) == {"compose", "services"}


def test_a_workspace_that_is_missing_is_made(tmp_path: Path) -> None:
    new = Workspace(tmp_path / "new" / "shop")
    add(new)
    assert tree.read(new.root) == dict(sorted(FILES.items()))


def test_a_workspace_that_was_made_is_removed_when_the_command_fails(tmp_path: Path) -> None:
    new = Workspace(tmp_path / "new" / "shop")
    with pytest.raises(NatsgenError), transaction.session(new, print):
        raise ConflictError("x")
    assert list(tmp_path.iterdir()) == []


def test_what_exists_is_a_conflict_and_is_left_alone(shop: Workspace) -> None:
    with pytest.raises(ConflictError, match=r"natsgen\.toml exists already"):
        transaction.check(shop, Change(after={PurePosixPath("natsgen.toml"): File(b"new")}))
    assert tree.read(shop.root) == dict(sorted(BEFORE.items()))


def test_files_that_exist_are_counted(shop: Workspace) -> None:
    add(shop)
    with pytest.raises(ConflictError, match=r"compose/billing\.yml and 2 more exist already: nothing was changed"):
        transaction.check(shop, Change(after=FILES))


def test_every_single_failing_operation_leaves_the_workspace_as_it_was_or_complete(
    shop: Workspace, tmp_path: Path
) -> None:
    total = count_of_operations(shop)
    assert total > 30
    for number in range(1, total + 1):
        fresh = a_copy_of(BEFORE, tmp_path / f"shop{number}")
        error = error_of(fresh, number, OSError(errno.ENOSPC, "No space left on device"))
        if error:
            assert "nothing was changed" in error, number
            assert tree.read(fresh.root) == dict(sorted(BEFORE.items())), number
            assert folders(fresh) == {"compose"}, number
        else:
            recover(fresh)  # only clearing up failed; the next command does that
            assert tree.read(fresh.root) == AFTER, number
            assert folders(fresh) == {"compose", "services"}, number


def test_ctrl_c_at_every_operation_leaves_the_workspace_as_it_was_or_complete(shop: Workspace, tmp_path: Path) -> None:
    total = count_of_operations(shop)
    for number in range(1, total + 1):
        fresh = a_copy_of(BEFORE, tmp_path / f"shop{number}")
        with pytest.raises(KeyboardInterrupt):
            add_breaking(fresh, number, KeyboardInterrupt())
        recover(fresh)
        assert tree.read(fresh.root) in (dict(sorted(BEFORE.items())), AFTER), number
        assert folders(fresh) in ({"compose"}, {"compose", "services"}), number


def test_a_disk_that_stays_broken_says_that_the_next_command_clears_up_and_it_does(
    shop: Workspace, tmp_path: Path
) -> None:
    total = count_of_operations(shop)
    for number in range(1, total + 1):
        fresh = a_copy_of(BEFORE, tmp_path / f"shop{number}")
        error = error_of(fresh, number, OSError(errno.EIO, "Input/output error"), for_good=True)
        assert error is None or "the next natsgen command" in error or "nothing was changed" in error, number
        recover(fresh)
        assert tree.read(fresh.root) in (dict(sorted(BEFORE.items())), AFTER), number
        assert folders(fresh) in ({"compose"}, {"compose", "services"}), number


@pytest.mark.slow
def test_after_kill_9_at_every_operation_the_next_command_leaves_all_or_nothing(
    shop: Workspace, tmp_path: Path, environment: dict[str, str]
) -> None:
    total = count_of_operations(shop)
    outcomes = set()
    for number in range(1, total + 1):
        fresh = a_copy_of(BEFORE, tmp_path / f"shop{number}")
        killed = kill_at(fresh, number, environment)
        assert killed == -signal.SIGKILL, number
        recover(fresh)
        found = tree.read(fresh.root)
        assert found in (dict(sorted(BEFORE.items())), AFTER), number
        assert folders(fresh) in ({"compose"}, {"compose", "services"}), number
        outcomes.add(len(found))
    assert len(outcomes) == 2  # some kills were early enough to undo, some late enough to finish


def test_the_person_is_told_what_was_finished(shop: Workspace, tmp_path: Path, environment: dict[str, str]) -> None:
    at = at_first("link", shop)
    fresh = a_copy_of(BEFORE, tmp_path / "fresh")
    kill_at(fresh, at, environment)
    assert recover(fresh) == ["finished an interrupted command: new worker billing"]
    assert recover(fresh) == []


def test_what_cannot_be_finished_is_undone(shop: Workspace, tmp_path: Path, environment: dict[str, str]) -> None:
    at = at_first("link", shop)
    fresh = a_copy_of(BEFORE, tmp_path / "fresh")
    kill_at(fresh, at, environment)
    (fresh.root / "compose" / "billing.yml").write_text("a person's")
    assert "undid an interrupted command, new worker billing" in recover(fresh)[0]
    assert not (fresh.root / "services").exists()
    assert (fresh.root / "compose" / "billing.yml").read_text() == "a person's"


def test_what_can_be_neither_finished_nor_undone_loses_nothing_and_says_what_to_do(
    shop: Workspace, tmp_path: Path, environment: dict[str, str]
) -> None:
    files = {path: FILES[path] for path in reversed(FILES)}  # the service first, so that it is there at the kill
    fresh = a_copy_of(BEFORE, tmp_path / "fresh")
    with pytest.raises(TransactionError):
        interrupted_after_first_move(fresh, files)
    (fresh.root / "services" / "billing" / "README.md").write_text("edited")
    (fresh.root / "compose" / "billing.yml").write_text("a person's")
    with pytest.raises(TransactionError, match="was modified since; move it away"):
        recover(fresh)
    (fresh.root / "compose" / "billing.yml").unlink()
    assert recover(fresh) == ["finished an interrupted command: new worker billing"]
    assert (fresh.root / "services" / "billing" / "README.md").read_text() == "edited"
    assert (fresh.root / "compose" / "billing.yml").read_bytes() == b"compose"


def test_a_file_that_appears_while_the_files_are_staged_is_kept(shop: Workspace) -> None:
    def intrude() -> None:
        (shop.root / "compose" / "billing.yml").write_text("a person's")

    with pytest.raises(ConflictError, match=r"compose/billing\.yml, which appeared meanwhile; nothing was changed"):
        add_with(shop, before_first_move=intrude)
    assert (shop.root / "compose" / "billing.yml").read_text() == "a person's"
    assert folders(shop) == {"compose"}


def changing(shop: Workspace) -> Change:
    """Replaces one file, removes another with its folder, and adds a third."""
    (shop.root / "services/old").mkdir(parents=True)
    (shop.root / "services/old/gone.py").write_text("gone")
    return Change(
        before={PurePosixPath("natsgen.toml"): File(b"root"), PurePosixPath("services/old/gone.py"): File(b"gone")},
        after={PurePosixPath("natsgen.toml"): File(b"new"), PurePosixPath("services/x.py"): File(b"x")},
        removable_folders=frozenset({PurePosixPath("services/old")}),
    )


def apply(workspace: Workspace, change: Change) -> None:
    with transaction.session(workspace, lambda _: None):
        transaction.check(workspace, change)
        transaction.apply(workspace, change, "change")


def apply_with(workspace: Workspace, change: Change, before_link: int, intrude: Callable[[], None]) -> None:
    """Applies a change while somebody else does something right before its link of that number."""
    original, links = os.link, 0

    def intruding(*arguments: Path) -> None:
        nonlocal links
        links += 1
        if links == before_link:
            intrude()
        original(*arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "link", intruding)
        apply(workspace, change)


def contents(workspace: Workspace) -> dict[str, str]:
    return {str(path): file.content.decode() for path, file in tree.read(workspace.root).items()}


def test_one_change_may_add_replace_and_remove(shop: Workspace) -> None:
    change = changing(shop)
    (shop.root / "natsgen.toml").chmod(0o600)
    apply(shop, change)
    assert contents(shop) == {"natsgen.toml": "new", "compose/infrastructure.yml": "theirs", "services/x.py": "x"}
    assert (shop.root / "natsgen.toml").stat().st_mode & 0o777 == 0o600
    assert not (shop.root / "services/old").exists()
    assert folders(shop) == {"compose", "services"}


def test_a_folder_that_may_pass_stays_while_anything_else_is_in_it(shop: Workspace) -> None:
    change = changing(shop)
    (shop.root / "services/old/link").symlink_to("nowhere")
    apply(shop, change)
    assert [path.name for path in (shop.root / "services/old").iterdir()] == ["link"]


def test_a_folder_that_may_not_pass_stays_empty(shop: Workspace) -> None:
    apply(shop, replace(changing(shop), removable_folders=frozenset()))
    assert list((shop.root / "services/old").iterdir()) == []


@pytest.mark.parametrize("path", ["natsgen.toml", "services/old/gone.py"])
def test_what_was_changed_before_it_goes_is_a_conflict(shop: Workspace, path: str) -> None:
    change = changing(shop)
    (shop.root / path).write_text("a person's")
    with pytest.raises(ConflictError, match="was modified meanwhile"):
        apply(shop, change)
    assert contents(shop)[path] == "a person's"


@pytest.mark.parametrize("path", ["natsgen.toml", "services/old/gone.py"])
def test_a_symlink_is_neither_replaced_nor_removed(shop: Workspace, path: str, tmp_path: Path) -> None:
    change = changing(shop)
    (shop.root / path).rename(tmp_path / "elsewhere")
    (shop.root / path).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ConflictError, match="is not a regular file"):
        apply(shop, change)
    assert (shop.root / path).is_symlink()


def test_what_a_person_changes_while_it_goes_comes_back_as_they_left_it(shop: Workspace) -> None:
    change = changing(shop)
    before = contents(shop)
    with pytest.raises(ConflictError, match=r"natsgen\.toml was modified meanwhile; nothing was changed"):
        apply_with(shop, change, 1, lambda: (shop.root / "natsgen.toml").write_text("a person's") and None)
    assert contents(shop) == {**before, "natsgen.toml": "a person's"}


def test_what_a_person_writes_into_a_file_that_is_away_comes_back_with_it(shop: Workspace) -> None:
    change = changing(shop)
    before = contents(shop)

    def write_and_interrupt() -> None:
        (state.area(shop).kept / "natsgen.toml").write_text("a person's")  # an editor that had it open
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        apply_with(shop, change, 2, write_and_interrupt)
    assert contents(shop) == {**before, "natsgen.toml": "a person's"}


def test_a_file_that_takes_the_place_of_a_replaced_one_is_kept_and_so_is_the_old_one(shop: Workspace) -> None:
    change = changing(shop)
    with pytest.raises(TransactionError, match=r"natsgen\.toml appeared meanwhile; move it away"):
        apply_with(shop, change, 2, lambda: (shop.root / "natsgen.toml").write_text("a person's") and None)
    assert (shop.root / "natsgen.toml").read_text() == "a person's"
    with pytest.raises(TransactionError, match="move it away"):
        recover(shop)
    (shop.root / "natsgen.toml").unlink()
    assert recover(shop) == ["finished an interrupted command: change"]
    assert contents(shop) == {"natsgen.toml": "new", "compose/infrastructure.yml": "theirs", "services/x.py": "x"}


def test_a_symlink_in_a_new_folder_is_not_lost_when_the_folder_is_taken_back(shop: Workspace) -> None:
    add_only = Change(after={PurePosixPath("services/a/x"): File(b"x"), PurePosixPath("compose/y"): File(b"y")})

    def intrude() -> None:
        (shop.root / "services" / "theirs").symlink_to("somewhere")
        (shop.root / "compose" / "y").write_text("a person's")

    with pytest.raises(TransactionError, match="was modified since; move it away"):
        apply_with(shop, add_only, 1, intrude)
    assert (shop.root / "services" / "theirs").is_symlink()


def plant(workspace: Workspace, path: str, content: str = "", digest: str | None = None, staged: str = "") -> Area:
    """A journal that moves a staged file to a path, where natsgen itself would have written one."""
    area = state.area(workspace)
    area.create()
    source = area.staged / (staged or path.lstrip("/").replace("..", "up"))
    source.parent.mkdir(parents=True, exist_ok=True)
    source.write_text(content)
    found = hashes.digest_of(content.encode()) if digest is None else digest
    move = {"path": path, "leaves": False, "digests": {".": found}}
    area.journal.write_text(json.dumps({"title": "x", "moves": [move]}))
    return area


@pytest.mark.parametrize(
    "path",
    [
        *("../../x", "/etc/x", "services/../../x", ".git/hooks/pre-commit", "services/a/.git/config"),
        *("services/a/.GIT/config", "services/a/.git./config", "services/a/.g\u200cit/config", "services/GIT~1/config"),
        *("README.md", ".github/workflows/other.yml", ".", "services", "Makefile/x", "services/\ud800"),
    ],
)
def test_a_journal_that_leads_to_where_natsgen_does_not_write_is_refused_as_a_whole(shop: Workspace, path: str) -> None:
    plant(shop, path, staged="x")
    area = plant(shop, "services/fine.txt")
    bad = {"path": path, "leaves": False, "digests": {".": hashes.digest_of(b"")}}
    moves = [*json.loads(area.journal.read_text())["moves"], bad]
    area.journal.write_text(json.dumps({"title": "x", "moves": moves}))
    with pytest.raises(TransactionError, match=r"journal\.json is damaged"):
        recover(shop)
    assert tree.read(shop.root) == dict(sorted(BEFORE.items()))


@pytest.mark.parametrize("leaves", [True, False])
@pytest.mark.parametrize("link", ["services", "services/vendor"])
def test_a_journal_that_leads_through_a_link_is_refused(
    shop: Workspace, link: str, leaves: bool, tmp_path: Path
) -> None:
    area = plant(shop, "services/vendor/x")
    move = {"path": "services/vendor/x", "leaves": leaves, "digests": {".": hashes.digest_of(b"")}}
    area.journal.write_text(json.dumps({"title": "x", "moves": [move]}))
    inside = shop.root / "compose/inside/vendor"
    inside.mkdir(parents=True)
    (shop.root / link).parent.mkdir(exist_ok=True)
    (shop.root / link).symlink_to(inside.parent if link == "services" else inside)
    with pytest.raises(TransactionError, match="symlink"):
        recover(shop)
    assert list(inside.iterdir()) == []


@pytest.mark.parametrize("digest", ["0" * 64, "x", ""])
def test_a_journal_whose_staged_file_is_another_one_is_refused(shop: Workspace, digest: str) -> None:
    plant(shop, "services/x.py", "other", digest)
    with pytest.raises(TransactionError, match="is damaged"):
        recover(shop)
    assert not (shop.root / "services").exists()


def test_a_staged_folder_with_a_file_that_the_journal_does_not_name_is_refused(shop: Workspace) -> None:
    area = plant(shop, "services", staged="services/x")
    (area.staged / "services/more").touch()
    moves = [{"path": "services", "leaves": False, "digests": {"x": hashes.digest_of(b"")}}]
    area.journal.write_text(json.dumps({"title": "x", "moves": moves}))
    with pytest.raises(TransactionError, match="is damaged"):
        recover(shop)


FORGED = '{"title": "\\u001b[2Jdone", "moves": []}'


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"title": 1, "moves": 2}', "\xff", "[" * 100_000, FORGED])
def test_a_damaged_journal_is_an_error_that_says_what_to_do(shop: Workspace, content: str) -> None:
    area = state.area(shop)
    area.create()
    area.journal.write_text(content, encoding="latin-1")
    with pytest.raises(TransactionError, match="is damaged"):
        recover(shop)


@pytest.mark.parametrize("kind", ["folder", "file", "link"])
def test_what_a_clone_brings_along_as_natsgens_own_is_told_and_left_alone(
    shop: Workspace, kind: str, tmp_path: Path
) -> None:
    former = shop.root / state.FORMER
    if kind == "folder":
        (former / "staged/services").mkdir(parents=True)
        (former / "staged/services/x").touch()
        move = {"path": "services/x", "leaves": False, "digests": {".": hashes.digest_of(b"")}}
        (former / "journal.json").write_text(json.dumps({"title": "x", "moves": [move]}))
    elif kind == "file":
        former.touch()
    else:
        former.symlink_to(tmp_path / "elsewhere")
    (message,) = recover(shop)
    assert f"{former} is ignored, because natsgen no longer uses it" in message
    assert not (shop.root / "services").exists()
    assert os.path.lexists(former)


def test_the_state_of_a_repository_is_in_gits_own_directory(shop: Workspace) -> None:
    git(shop.root, "init", "--quiet")
    (shop.root / "apps/one").mkdir(parents=True)
    found = [state.area(Workspace(shop.root / folder)).folder for folder in (".", "apps/one", "apps")]
    assert found[0] == shop.root / ".git/natsgen/root"
    assert len(set(found)) == 3
    assert {folder.parent for folder in found} == {shop.root / ".git/natsgen"}


def test_the_state_of_a_worktree_is_its_own(shop: Workspace, tmp_path: Path) -> None:
    git(shop.root, "init", "--quiet")
    git(shop.root, "-c", "user.name=a", "-c", "user.email=a@b", "commit", "--quiet", "--allow-empty", "-m", "x")
    git(shop.root, "worktree", "add", "--quiet", "-b", "other", tmp_path / "other")
    other = Workspace(tmp_path / "other")
    add(other)
    assert state.area(other).folder == shop.root / ".git/worktrees/other/natsgen/root"
    assert not state.area(other).folder.exists()
    assert (other.root / "services/billing/README.md").exists()


def test_outside_of_git_it_is_in_the_users_state_directory_and_found_after_git_init(
    shop: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    area = plant(shop, "compose/x.py")
    assert area.folder.is_relative_to(tmp_path / "state/natsgen")
    git(shop.root, "init", "--quiet")
    assert recover(shop) == ["finished an interrupted command: x"]
    assert (shop.root / "compose/x.py").exists()
    assert list((tmp_path / "state").iterdir()) == []


def test_where_the_state_is_on_another_file_system_files_come_and_go_from_the_workspaces_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = Path("/dev/shm")
    if not elsewhere.is_dir() or elsewhere.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is no second file system")
    with tempfile.TemporaryDirectory(dir=elsewhere) as folder:
        monkeypatch.setenv("XDG_STATE_HOME", folder)
        fresh = a_copy_of(BEFORE, tmp_path / "fresh")
        area = plant(fresh, "compose/x.py", "x")
        assert area.staged.parent.parent == fresh.root
        assert recover(fresh) == ["finished an interrupted command: x"]
        apply(fresh, Change(before={PurePosixPath("compose/x.py"): File(b"x")}))
        assert contents(fresh) == {"natsgen.toml": "root", "compose/infrastructure.yml": "theirs"}
        assert folders(fresh) == {"compose"}
        assert list(Path(folder).iterdir()) == []


def git(folder: Path, *words: str | Path) -> None:
    own = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    subprocess.run(["git", *words], cwd=folder, env=own, check=True, timeout=30)


def test_new_folders_and_files_have_the_mode_of_the_umask(shop: Workspace) -> None:
    before = os.umask(0o027)
    try:
        add(shop)
    finally:
        os.umask(before)
    modes = {path: (shop.root / path).stat().st_mode & 0o777 for path in ("services", "services/billing/README.md")}
    assert modes == {"services": 0o750, "services/billing/README.md": 0o640}
    assert (shop.root / "services/billing/src/main.py").stat().st_mode & 0o777 == 0o750


def a_copy_of(files: Tree, folder: Path) -> Workspace:
    for path, file in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(file.content)
    return Workspace(folder)


def at_first(operation: str, workspace: Workspace) -> int:
    """The number of the first such operation of a transaction that is not broken."""
    return add_breaking(workspace, 0, OSError()).index(operation) + 1


def kill_at(workspace: Workspace, number: int, environment: dict[str, str]) -> int:
    command = [sys.executable, "-S", "-c", VICTIM, str(workspace.root), str(number), ",".join(OPERATIONS)]
    return subprocess.run(command, env=environment, timeout=30).returncode


def add_with(workspace: Workspace, before_first_move: Callable[[], None]) -> None:
    original = os.link

    def intruding(*arguments: Path) -> None:
        before_first_move()
        original(*arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "link", intruding)
        add(workspace)


def interrupted_after_first_move(workspace: Workspace, files: Tree) -> None:
    """Leaves a journal behind: the second move fails, and so does every attempt to take back the first."""
    with transaction.session(workspace, print), pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "link", _raise_io_error)
        patch.setattr(os, "rename", _only_into(workspace.root / "services"))
        transaction.apply(workspace, Change(after=files), "new worker billing")


def _raise_io_error(*_: object) -> None:
    raise OSError(errno.EIO, "Input/output error")


def _only_into(target: Path) -> Callable[[Path, Path], None]:
    original = os.rename

    def rename(source: Path, destination: Path) -> None:
        if Path(destination) != target and Path(destination).name != "journal.json":
            _raise_io_error()
        original(source, destination)

    return rename
