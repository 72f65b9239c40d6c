"""Packages come with the first part that needs them and go with the last; what a person made keeps them."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from natsgen.answers import answers, questions
from natsgen.answers.given_answers import GivenAnswers
from natsgen.cli import main
from natsgen.files import tree
from natsgen.files.tree import Tree
from natsgen.files.workspace import Workspace
from natsgen.parts import package_imports, packages
from natsgen.parts.kinds import is_owners
from natsgen.rendering import render, template_source

TEMPLATE = template_source.bundled()
QUESTIONS = questions.read(TEMPLATE.folder)
BILLING = PurePosixPath("services/billing")
ADDED = {
    "handler": ["orders.order.paid"],
    "action": ["leave"],
    "route": ["POST /leave=v1.billing.leave"],
    "task": ["send_report", "--queue", "emails"],
    "publisher": ["events.second"],
    "subscriber": ["events.second"],
}
NAMES = {"handler": "order_paid", "route": "leave", "action": "leave", "task": "send_report"}
PACKAGES = {
    "handler": {"handlers"},
    "action": {"actions", "requests"},
    "task": {"tasks", *packages.BY_NAME["tasks"].needs},
    "publisher": {"publishers", *packages.BY_NAME["publishers"].needs},
    "subscriber": {"subscribers", *packages.BY_NAME["subscribers"].needs},
}
Make = Callable[..., Workspace]


@pytest.fixture(scope="module")
def rendered() -> Callable[[dict[str, Any]], Tree]:
    """The services that tests ask for, each rendered once."""
    known: dict[str, Tree] = {}

    def make(given: dict[str, Any]) -> Tree:
        if str(given) not in known:
            data = answers.complete(GivenAnswers.of(given, {}), QUESTIONS, Path("/srv/shop")).as_data()
            known[str(given)] = render.render(TEMPLATE, data)
        return known[str(given)]

    return make


@pytest.fixture
def made(workspace: Workspace, rendered: Callable[[dict[str, Any]], Tree], monkeypatch: pytest.MonkeyPatch) -> Make:
    """Makes the service billing in a workspace, which is the current folder then."""

    def make(**given: Any) -> Workspace:
        write(rendered({"service_name": "billing", **given}), workspace)
        monkeypatch.chdir(workspace.root)
        return workspace

    return make


def write(files: Tree, workspace: Workspace) -> None:
    for path, file in files.items():
        target = workspace.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(file.content)
        target.chmod(0o755 if file.executable else 0o644)


@pytest.fixture(scope="module")
def grown() -> Tree:
    """The files of `with_action`, once the first test has made them."""
    return {}


@pytest.fixture
def with_action(made: Make, grown: Tree) -> Workspace:
    """A workspace whose service billing has a handler, and an action that was added."""
    shop = made(handlers={"one": "a.b"})
    if not grown:
        add("action")
        grown.update(tree.read(shop.root))
    write(grown, shop)
    return shop


def folders(shop: Workspace) -> set[Path]:
    return {path for path in (shop.root / "services").rglob("*") if path.is_dir()}


def do(*words: str) -> None:
    assert main(list(words)) == 0


def add(noun: str) -> None:
    do(f"add-{noun}", "billing", *ADDED[noun])


def remove(noun: str) -> None:
    do(f"remove-{noun}", "billing", NAMES.get(noun, "events_second"))


def found(shop: Workspace) -> frozenset[str]:
    return packages.found(shop.root / BILLING)


@pytest.mark.parametrize("noun", PACKAGES)
def test_the_first_part_brings_its_packages_and_the_last_takes_them_along(made: Make, noun: str) -> None:
    given: dict[str, Any] = {"actions": {"greet": {}}} if noun == "handler" else {"handlers": {"one": "a.b"}}
    shop = made(**given, extras=["kv"], envelope="message")
    before, before_folders, had = tree.read(shop.root), folders(shop), found(shop)

    add(noun)
    assert found(shop) == had | PACKAGES[noun]
    assert {path: file for path, file in tree.read(shop.root).items() if path in before} == before
    remove(noun)

    assert (tree.read(shop.root), folders(shop)) == (before, before_folders)


def test_a_route_comes_and_goes_with_its_gateway_staying(made: Make) -> None:
    shop = made(framework="fastapi")
    before = tree.read(shop.root)
    add("route")
    remove("route")
    assert tree.read(shop.root) == before


@pytest.mark.parametrize("noun", ["action", "task"])
def test_what_comes_is_what_a_new_service_would_have(made: Make, noun: str) -> None:
    shop = made(handlers={"one": "a.b"})
    before = tree.read(shop.root)
    add(noun)
    data = answers.complete(
        GivenAnswers.of({"service_name": "billing", "handlers": {"one": "a.b"}}, {}), QUESTIONS, shop.root
    )
    whole = render.render(TEMPLATE, data.as_data(), with_packages={"handlers", *PACKAGES[noun]})
    came = {path: file for path, file in tree.read(shop.root).items() if path not in before}
    own = {path for path in came if is_owners(path.relative_to(BILLING))}
    assert len(own) == 2
    assert came.keys() - own == {path for path in whole if path not in before}
    assert all(file == whole[path] for path, file in came.items() if path not in own)


def test_packages_stay_as_long_as_another_part_needs_them(made: Make) -> None:
    shop = made(handlers={"one": "a.b"}, actions={"greet": {}})
    add("subscriber")
    do("remove-action", "billing", "greet")
    assert found(shop) >= {"subscribers", "requests"}
    assert "actions" not in found(shop)


def test_two_parts_of_a_kind_need_the_packages_together(with_action: Workspace) -> None:
    before = tree.read(with_action.root)
    do("add-action", "billing", "greet")
    assert len(tree.read(with_action.root)) == len(before) + 2
    do("remove-action", "billing", "greet")
    assert tree.read(with_action.root) == before


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("src/domain/mine.py", "from src.actions.action import action\n"),
        ("tests/test_mine.py", "def test(monkeypatch):\n    monkeypatch.setattr('src.actions.server.x', 1)\n"),
    ],
)
def test_a_package_that_a_persons_file_imports_stays_and_a_note_says_so(
    with_action: Workspace, capsys: pytest.CaptureFixture[str], path: str, source: str
) -> None:
    (with_action.root / BILLING / path).write_text(source)
    remove("action")
    assert found(with_action) >= {"actions", "requests"}
    said = capsys.readouterr().err
    assert f"note: nothing needs the package actions, but it was not removed: {path} imports it" in said


def test_an_import_of_what_a_package_needs_keeps_only_that(
    with_action: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    handler = with_action.root / BILLING / "src/domain/handlers/one_handler.py"
    handler.write_text(f"from src.requests.nats import Nats\n{handler.read_text()}")
    remove("action")
    assert found(with_action) == {"handlers", "requests"}
    assert (
        "package requests, but it was not removed: src/domain/handlers/one_handler.py imports it"
        in capsys.readouterr().err
    )


def test_a_core_file_that_a_person_edited_keeps_what_it_imports(with_action: Workspace) -> None:
    main_file = with_action.root / BILLING / "src/main.py"
    main_file.write_text(f"{main_file.read_text()}\nimport src.actions.server\n")
    remove("action")
    assert "actions" in found(with_action)


def test_an_edited_package_stays_whole_with_what_it_needs(
    with_action: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    edited = with_action.root / BILLING / "src/actions/action.py"
    edited.write_text(f"{edited.read_text()}# mine\n")
    before = tree.read(with_action.root)
    remove("action")
    assert len(tree.read(with_action.root)) == len(before) - 2
    said = capsys.readouterr().err
    assert "the package actions, but it was not removed: src/actions/action.py was edited" in said
    assert "package requests" not in said


def test_a_file_of_a_persons_own_in_a_package_keeps_it(
    with_action: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    (with_action.root / BILLING / "tests/actions/examples.json").write_text("{}")
    remove("action")
    assert "actions" in found(with_action)
    assert "it was not removed: tests/actions/examples.json is not the template's" in capsys.readouterr().err


def test_a_file_that_is_there_as_it_is_made_is_fine_and_another_one_is_not(
    with_action: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    after = tree.read(with_action.root)
    (with_action.root / BILLING / "src/actions/__init__.py").unlink()
    (with_action.root / BILLING / "src/domain/actions/leave_action.py").unlink()
    (with_action.root / BILLING / "tests/actions/test_leave_action.py").unlink()
    add("action")
    assert tree.read(with_action.root) == after

    remove("action")
    (with_action.root / BILLING / "src/actions").mkdir()
    (with_action.root / BILLING / "src/actions/action.py").write_text("mine\n")
    before = tree.read(with_action.root)
    assert main(["add-action", "billing", "leave"]) == 1
    assert "src/actions/action.py exists already and differs from " in capsys.readouterr().err
    assert tree.read(with_action.root) == before


def test_a_dry_run_shows_the_packages_and_writes_nothing(made: Make, capsys: pytest.CaptureFixture[str]) -> None:
    shop = made(handlers={"one": "a.b"})
    before = tree.read(shop.root)
    do("add-action", "billing", "leave", "--dry-run")
    assert "b/services/billing/src/requests/__init__.py" in capsys.readouterr().out
    assert tree.read(shop.root) == before


def test_what_python_leaves_behind_is_no_obstacle(with_action: Workspace) -> None:
    cache = with_action.root / BILLING / "src/actions/__pycache__"
    cache.mkdir()
    (cache / "action.cpython-313.pyc").write_bytes(b"x")
    remove("action")
    assert "actions" not in found(with_action)


def test_branches_that_each_add_the_first_action_merge(made: Make) -> None:
    shop = made(handlers={"one": "a.b"})

    def git(*words: str) -> str:
        command = ["git", "-c", "user.name=x", "-c", "user.email=x@example.org", *words]
        return subprocess.run(command, cwd=shop.root, check=True, capture_output=True, text=True).stdout

    git("init", "-q", "-b", "main")
    git("add", "-A")
    git("commit", "-qm", "made")
    for branch, name in (("a", "greet"), ("b", "leave")):
        git("checkout", "-qb", branch, "main")
        do("add-action", "billing", name)
        git("add", "-A")
        git("commit", "-qm", branch)
    git("merge", "-q", "--no-edit", "a")
    there = {path.name for path in (shop.root / BILLING / "src/domain/actions").glob("*_action.py")}
    assert there == {"greet_action.py", "leave_action.py"}
    do("remove-action", "billing", "greet")
    do("remove-action", "billing", "leave")
    git("add", "-A")
    assert git("diff", "--cached", "--name-only", "main") == ""


@pytest.mark.parametrize(
    "source",
    [
        "import src.actions\n",
        "from ..actions import server\n",
        "from src import actions\n",
        "from src.actions.x import (\n",
    ],
)
def test_a_package_is_imported_in_any_form(tmp_path: Path, source: str) -> None:
    file = PurePosixPath("src/domain/mine.py")
    (tmp_path / file).parent.mkdir(parents=True)
    (tmp_path / file).write_text(source)
    imported = package_imports.imported_by(tmp_path, file)
    assert "actions" in {name for path in imported for name in packages.of_path(path)}


def test_relative_imports_and_folders_are_followed(tmp_path: Path) -> None:
    file = PurePosixPath("src/domain/mine.py")
    (tmp_path / file).parent.mkdir(parents=True)
    (tmp_path / file).write_text("from . import other\nfrom ..toolkit.kv import Bucket\nimport json\n")
    imported = package_imports.imported_by(tmp_path, file)
    assert {PurePosixPath("src/domain/other.py"), PurePosixPath("src/toolkit/kv.py")} <= imported
    assert not any(path.parts[0] == "json" for path in imported)
    shutil.rmtree(tmp_path / "src")
