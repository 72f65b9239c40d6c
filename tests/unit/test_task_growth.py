"""A task comes and goes, and everything else stays as it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from natsgen.answers import answers, questions
from natsgen.answers.given_answers import GivenAnswers
from natsgen.errors import ConflictError, InputError
from natsgen.files import tree
from natsgen.files.tree import Tree
from natsgen.files.workspace import Workspace
from natsgen.parts.handlers import Handler
from natsgen.parts.tasks import TASKS, Task
from natsgen.rendering import render, template_source
from natsgen.services import edit
from natsgen.services.edit import Added, Removed, ServiceTarget

TEMPLATE = template_source.bundled()
QUESTIONS = questions.read(TEMPLATE.folder)
SEND_SMS = Task("send_sms", "sms")
FOLDER = Path("services/mailer/src/domain/tasks")
TESTS = Path("services/mailer/tests/tasks")
MAILER = GivenAnswers.of({"service_name": "mailer", "tasks": {"send_email": {"queue": "emails"}}}, {})


@pytest.fixture(scope="module")
def service_tree(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    root = tmp_path_factory.mktemp("any") / "shop"
    return render.render(TEMPLATE, answers.complete(MAILER, QUESTIONS, root).as_data())


@pytest.fixture
def shop(workspace: Workspace, service_tree: Tree) -> Workspace:
    """A workspace with the service mailer, which works off emails and does nothing else."""
    for path, file in service_tree.items():
        (workspace.root / path).parent.mkdir(parents=True, exist_ok=True)
        (workspace.root / path).write_bytes(file.content)
    return workspace


def site(shop: Workspace, *, dry_run: bool = False) -> ServiceTarget:
    return ServiceTarget(shop, dry_run, print, TEMPLATE, QUESTIONS, "mailer")


def add(shop: Workspace, task: Task = SEND_SMS, *, dry_run: bool = False) -> Added:
    return edit.add(site(shop, dry_run=dry_run), task)


def remove(shop: Workspace, name: str, *, dry_run: bool = False) -> Removed:
    return edit.remove(site(shop, dry_run=dry_run), TASKS, name, force=False)


def test_two_files_come_and_nothing_else_changes_and_both_go(shop: Workspace) -> None:
    before = tree.read(shop.root)
    added = add(shop)
    after = tree.read(shop.root)
    assert set(after) - set(before) == set(added.change.added)
    assert [str(path) for path in added.change.added] == [
        str(FOLDER / "send_sms_task.py"),
        str(TESTS / "test_send_sms_task.py"),
    ]
    assert {path: after[path] for path in before} == before
    remove(shop, "send-sms")
    assert tree.read(shop.root) == before


@pytest.mark.parametrize("task", [SEND_SMS, Task("n" * 64, "q" * 64, "high", 10_000, 2.5, 9_999)])
def test_a_task_that_is_added_is_byte_for_byte_what_a_new_service_would_have(shop: Workspace, task: Task) -> None:
    given = GivenAnswers.of({**MAILER.values, "tasks": {task.name: task.to_answer()}}, {})
    made = render.render(TEMPLATE, answers.complete(given, QUESTIONS, shop.root).as_data())
    added = add(shop, task)
    assert dict(added.change.after) == {path: made[path] for path in added.change.added}


def test_a_service_with_one_queue_gets_the_next_task_of_it(shop: Workspace) -> None:
    another = Task.from_text("another", None)
    assert add(shop, another, dry_run=True).part == Task("another", "emails")
    add(shop)
    with pytest.raises(InputError, match="--queue is required: mailer has the queues emails, sms"):
        add(shop, another)
    remove(shop, "send_sms")
    remove(shop, "send_email")
    with pytest.raises(InputError, match="--queue is required: mailer has no queue yet"):
        add(shop, another)


def test_a_file_or_task_or_handler_of_the_name_is_left_alone(shop: Workspace) -> None:
    with pytest.raises(ConflictError, match=r"send_email_task\.py exists already \(queue\.emails\.\*\.send_email\)"):
        add(shop, Task("send_email", "other"))
    (shop.root / FOLDER / "more_task.py").write_text('@task("send_sms", queue="sms")\nasync def text(payload): ...')
    with pytest.raises(ConflictError, match=r"more_task\.py, line 2: there is already a task 'send_sms'"):
        add(shop)
    edit.add(site(shop), Handler("paid", "orders.paid"))
    with pytest.raises(ConflictError, match=r"paid_handler\.py, line 19: a handler has the name 'paid'.*share its"):
        add(shop, Task("paid", "orders"))


def test_a_handler_cannot_have_the_name_of_a_task(shop: Workspace) -> None:
    with pytest.raises(ConflictError, match=r"send_email_task\.py, line 18: a task has the name 'send_email'.*another"):
        edit.add(site(shop), Handler("send_email", "mail.email.asked"))
