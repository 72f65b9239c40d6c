"""An action comes and goes, and everything else stays as it is."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from natsgen.answers import answers, questions
from natsgen.answers.given_answers import GivenAnswers
from natsgen.errors import ConflictError
from natsgen.files import tree
from natsgen.files.tree import Tree
from natsgen.files.workspace import Workspace
from natsgen.parts.actions import ACTIONS, Action
from natsgen.parts.handlers import Handler
from natsgen.rendering import render, template_source
from natsgen.services import edit
from natsgen.services.edit import Added, Removed, ServiceTarget

TEMPLATE = template_source.bundled()
QUESTIONS = questions.read(TEMPLATE.folder)
FAREWELL = Action("farewell", "farewell")
FOLDER = Path("services/greeter/src/domain/actions")
TESTS = Path("services/greeter/tests/actions")
GREETER = GivenAnswers.of({"service_name": "greeter", "actions": {"greet": {}}}, {})


@pytest.fixture(scope="module")
def service_tree(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    root = tmp_path_factory.mktemp("any") / "shop"
    return render.render(TEMPLATE, answers.complete(GREETER, QUESTIONS, root).as_data())


@pytest.fixture
def shop(workspace: Workspace, service_tree: Tree) -> Workspace:
    """A workspace with the service greeter, which answers greet and handles nothing."""
    for path, file in service_tree.items():
        (workspace.root / path).parent.mkdir(parents=True, exist_ok=True)
        (workspace.root / path).write_bytes(file.content)
    return workspace


def site(shop: Workspace, *, dry_run: bool = False) -> ServiceTarget:
    return ServiceTarget(shop, dry_run, print, TEMPLATE, QUESTIONS, "greeter")


def add(shop: Workspace, action: Action = FAREWELL, *, dry_run: bool = False) -> Added:
    return edit.add(site(shop, dry_run=dry_run), action)


def remove(shop: Workspace, name: str, *, dry_run: bool = False) -> Removed:
    return edit.remove(site(shop, dry_run=dry_run), ACTIONS, name, force=False)


def git(shop: Workspace, *arguments: str) -> str:
    command = ["git", "-c", "user.name=x", "-c", "user.email=x@example.org", "-C", str(shop.root), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_two_files_come_and_nothing_else_changes(shop: Workspace) -> None:
    before = tree.read(shop.root)
    added = add(shop)
    after = tree.read(shop.root)
    assert set(after) - set(before) == set(added.change.added)
    assert [str(path) for path in added.change.added] == [
        str(FOLDER / "farewell_action.py"),
        str(TESTS / "test_farewell_action.py"),
    ]
    assert {path: after[path] for path in before} == before


@pytest.mark.parametrize(
    "action",
    [
        FAREWELL,
        replace(FAREWELL, version=2, queue=False, concurrency=7, timeout=2.5),
        Action("n" * 64, "n" * 64, version=9_999, queue=False, concurrency=10_000, timeout=3_599.999),
        Action("greet_v2", "greet", version=2),
    ],
)
def test_an_action_that_is_added_is_byte_for_byte_what_a_new_service_would_have(
    shop: Workspace, action: Action
) -> None:
    given = GivenAnswers.of({**GREETER.values, "actions": {action.name: action.to_answer()}}, {})
    made = render.render(TEMPLATE, answers.complete(given, QUESTIONS, shop.root).as_data())
    added = add(shop, action)
    assert dict(added.change.after) == {path: made[path] for path in added.change.added}


def test_add_then_remove_leaves_git_status_empty(shop: Workspace) -> None:
    git(shop, "init", "-q")
    git(shop, "add", "-A")
    git(shop, "commit", "-qm", "x")
    add(shop)
    assert git(shop, "status", "--porcelain").count("\n") == 2
    remove(shop, "farewell")
    assert git(shop, "status", "--porcelain") == ""


def test_another_version_is_a_file_of_its_own(shop: Workspace) -> None:
    added = add(shop, Action("greet", "greet", version=2))
    assert added.part == Action("greet_v2", "greet", version=2)
    source = (shop.root / FOLDER / "greet_v2_action.py").read_text()
    assert '@action("greet", version=2)\nasync def greet_v2(' in source
    assert remove(shop, "greet-v2").file.names == ("greet_v2",)


@pytest.mark.parametrize("name", ["greet", "hello"])
def test_the_same_version_is_refused_wherever_it_is(shop: Workspace, name: str) -> None:
    before = tree.read(shop.root)
    for dry_run in (True, False):
        with pytest.raises(ConflictError, match=r"greet_action\.py, line 23: already answers v1\.greeter\.greet"):
            add(shop, Action(name, "greet"), dry_run=dry_run)
    assert tree.read(shop.root) == before


def test_a_file_that_holds_something_else_is_left_alone(shop: Workspace) -> None:
    for content, what in (('@action("other")\nasync def other(): ...', "v1.greeter.other"), ("def (", "line 1")):
        (shop.root / FOLDER / "farewell_action.py").write_text(content)
        with pytest.raises(ConflictError, match=rf"farewell_action\.py exists already \({what}"):
            add(shop)


def test_the_last_action_goes_with_a_note_unless_there_is_a_handler(shop: Workspace) -> None:
    (note,) = remove(shop, "greet", dry_run=True).notes
    assert note == "greeter is now empty and will not start; add a handler, an action or another part"
    paid = Handler("paid", "orders.paid")
    edit.add(site(shop), paid)
    assert remove(shop, "greet").notes == ()
