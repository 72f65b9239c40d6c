"""The pieces of an update, each alone: merging trees, finding renames, migrations, working in parallel."""

from __future__ import annotations

import os
import signal
from pathlib import Path, PurePosixPath

import pytest

from natsgen.errors import ConflictError, InputError
from natsgen.files import file_merge, git, merging
from natsgen.files.file_merge import Names
from natsgen.files.tree import File, Tree
from natsgen.files.workspace import Workspace
from natsgen.rendering import render, versions
from natsgen.rendering.template_source import REPOSITORY, TemplateSource
from natsgen.transaction import transaction
from natsgen.transaction.change import Change
from natsgen.update import migrations, parallel, planning
from natsgen.update.migrations import Migration, State
from natsgen.update.planning import Task
from tests.update import world

NAMES = Names("yours", "old", "new")
LINES = "".join(f"line {number}\n" for number in range(20))


def tree(**files: str) -> dict[PurePosixPath, File]:
    return {PurePosixPath(path): File(text.encode()) for path, text in files.items()}


def merge(base: Tree, theirs: Tree, ours: Tree) -> merging.Merge:
    return merging.merge(base, theirs, ours, NAMES)


@pytest.mark.parametrize(
    ("base", "theirs", "ours", "after"),
    [
        ("a", "a", "mine", {}),
        ("a", "b", "b", {}),
        ("a", "b", "a", {"f": b"b"}),
        ("a", None, "a", {"f": None}),
        (None, "b", None, {"f": b"b"}),
        (None, "b", "b", {}),
        ("a", None, None, {}),
        (LINES, LINES.replace("line 3\n", "theirs\n"), LINES.replace("line 9\n", "mine\n"), "both"),
    ],
)
def test_what_does_not_conflict_is_merged(
    base: str | None, theirs: str | None, ours: str | None, after: dict[str, bytes | None] | str
) -> None:
    sides = [tree(f=text) if text is not None else {} for text in (base, theirs, ours)]
    result = merge(*sides)
    assert result.conflicts == []
    found = {str(path): file.content if file else None for path, file in result.after.items()}
    both = LINES.replace("line 3\n", "theirs\n").replace("line 9\n", "mine\n")
    assert found == ({"f": both.encode()} if after == "both" else after)


@pytest.mark.parametrize(
    ("base", "theirs", "ours"), [("a", "b", "mine"), ("a", None, "mine"), (None, "b", "mine"), ("a\0", "b\0", "c\0")]
)
def test_what_conflicts_is_told(base: str | None, theirs: str | None, ours: str | None) -> None:
    result = merge(*[tree(f=text) if text is not None else {} for text in (base, theirs, ours)])
    assert [str(conflict.path) for conflict in result.conflicts] == ["f"]


def test_no_text_keeps_the_persons_content() -> None:
    result = merge(tree(f="a\0"), tree(f="b\0"), tree(f="c\0"))
    assert result.after == {}
    assert not result.conflicts[0].has_markers


def test_modes_are_merged_too() -> None:
    old, new = File(b"a"), File(b"a", executable=True)
    path = PurePosixPath("f")
    assert merge({path: old}, {path: new}, {path: File(b"mine")}).after == {path: File(b"mine", executable=True)}


def test_a_configured_conflict_style_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "merge.conflictStyle")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "diff3")
    merged, _ = file_merge.merge(PurePosixPath("a.txt"), File(b"mine\n"), File(b"old\n"), File(b"new\n"), NAMES)
    assert merged.content == b"<<<<<<< yours\nmine\n=======\nnew\n>>>>>>> new\n"


def test_a_git_of_another_repository_in_the_environment_does_not_count(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("text")
    world.commit(tmp_path)
    (tmp_path / "file").write_text("changed")
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    monkeypatch.setenv("GIT_INDEX_FILE", "/nowhere/index")
    assert git.uncommitted(tmp_path, [PurePosixPath("file")]) == (PurePosixPath("file"),)


def test_the_most_alike_are_taken_for_renamed() -> None:
    gone = tree(a=LINES, b="".join(reversed(LINES)))
    come = tree(c=LINES.replace("line 3", "other"), d=LINES.replace("line", "row"), e="")
    assert merging.find(gone, come) == {PurePosixPath("a"): PurePosixPath("c")}


def test_versions_are_ordered_as_numbers_and_what_is_no_release_is_left_out() -> None:
    assert versions.ordered(["v0.10.0", "v0.9.0", "nightly", "v1.0.0rc1", "1.0"]) == ("v0.9.0", "v0.10.0", "1.0")
    assert versions.find("1.0.0", ["v0.9.0", "1.0"], "--to") == "1.0"
    with pytest.raises(InputError, match=r"available: v0\.9\.0"):
        versions.find("2", ["v0.9.0"], "--to")


def test_the_result_of_each_comes_back_and_what_fails_says_why() -> None:
    def work(number: int) -> int:
        if number == 3:
            raise ConflictError("three")
        return number * os.getpid()

    found = dict(parallel.each(work, range(8), processes=2))
    assert found.pop(3) == parallel.Failed("three")
    assert set(found) == {0, 1, 2, 4, 5, 6, 7}
    others = {result // number for number, result in found.items() if number and isinstance(result, int)}
    assert len(others) == 2
    assert os.getpid() not in others


def test_a_process_that_dies_fails_only_what_it_had_left() -> None:
    def work(number: int) -> int:
        if number == 4:
            os.kill(os.getpid(), signal.SIGKILL)
        return number

    found = dict(parallel.each(work, range(8), processes=2))
    failed = {number for number, result in found.items() if isinstance(result, parallel.Failed)}
    assert failed == {4, 6}


def test_a_bug_in_a_process_is_told_as_one() -> None:
    def work(number: int) -> int:
        raise KeyError(number)

    with pytest.raises(RuntimeError, match="KeyError"):
        list(parallel.each(work, range(8), processes=2))


def test_a_mode_that_changes_is_applied(workspace: Workspace) -> None:
    path = PurePosixPath("services/billing/run.sh")
    (workspace.root / path).parent.mkdir(parents=True, exist_ok=True)
    (workspace.root / path).write_bytes(b"a")
    change = Change({path: File(b"a")}, {path: File(b"a", executable=True)})
    with transaction.session(workspace, str):
        transaction.check(workspace, change)
        transaction.apply(workspace, change, "a test")
    assert os.access(workspace.root / path, os.X_OK)


def rename_setting(state: State) -> State:
    answers = {key: value for key, value in state.answers.items() if key != "old"}
    files = {path: File(file.content.replace(b"OLD", b"NEW"), file.executable) for path, file in state.files.items()}
    return State(state.name, {**answers, "new": state.answers["old"]}, files)


def test_a_migration_changes_answers_and_a_persons_files(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrations, "MIGRATIONS", (Migration("v2.0.0", "OLD becomes NEW", rename_setting),))
    sources = {version: small_template(tmp_path / version, version) for version in ("v1.0.0", "v2.0.0")}
    handler = PurePosixPath("services/billing/src/domain/handlers/paid_handler.py")
    for path, file in render.render(sources["v1.0.0"], {"service_name": "billing", "old": "7"}).items():
        (workspace.root / path).parent.mkdir(parents=True, exist_ok=True)
        (workspace.root / path).write_bytes(file.content)
    (workspace.root / handler).parent.mkdir(parents=True)
    (workspace.root / handler).write_text("OLD\n")
    world.commit(workspace.root)
    (workspace.root / "services/billing/ignored").write_text("OLD\n")
    answers = {"service_name": "billing", "old": "7"}

    plan = planning.plan(workspace, Task("billing", sources["v1.0.0"], sources["v2.0.0"], answers, {}))

    assert plan.conflicts == ()
    assert plan.migrations == ("OLD becomes NEW",)
    after = {str(path): file.content.decode() for path, file in plan.change.after.items()}
    assert after.pop("services/billing/.copier-answers.yml").endswith("new: '7'\nservice_name: billing\n")
    assert after == {str(handler): "NEW\n", "services/billing/settings": "NEW=7\nmore\n"}


def small_template(folder: Path, version: str) -> TemplateSource:
    """A template whose second version names a question and a setting otherwise."""
    key = "old" if version == "v1.0.0" else "new"
    service = folder / "template/services/{{ service_name }}"
    service.mkdir(parents=True)
    (folder / "copier.yml").write_text(
        "_subdirectory: template\n_answers_file: services/{{ service_name }}/.copier-answers.yml\n"
        f"service_name: {{type: str}}\n{key}: {{type: str, default: '1'}}\n"
    )
    (service / "{{ _copier_conf.answers_file.name }}.jinja").write_text("{{ _copier_answers|to_nice_yaml }}")
    more = "more\n" if key == "new" else ""
    (service / "settings.jinja").write_text(f"{key.upper()}={{{{ {key} }}}}\n{more}")
    return TemplateSource(folder, REPOSITORY, version)
