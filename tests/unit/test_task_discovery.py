"""What is read of tasks from a service's source, whatever a person wrote there."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from natsgen.errors import InputError
from natsgen.parts.tasks import TASKS, FoundTask, Task

PLAIN = '@task("send_email", queue="emails")\nasync def send_email(payload): ...\n'


@pytest.fixture
def service(tmp_path: Path) -> Path:
    (tmp_path / "src/domain/tasks").mkdir(parents=True)
    return tmp_path


def write(service: Path, name: str, source: str) -> None:
    (service / "src/domain/tasks" / name).write_text(source)


def found_in(source: str) -> FoundTask:
    (task,) = FoundTask.all_in(ast.parse(source))
    return task


@pytest.mark.parametrize(
    "source",
    [
        PLAIN,
        PLAIN.replace('("', '(name="'),
        PLAIN.replace("@task", "@tasks.task"),
        PLAIN.replace("@task", "from x import task as queued\n@queued"),
        f"import nothing.at.all\n{PLAIN}\n1 / 0",
    ],
)
def test_a_task_is_found_however_it_is_written(source: str) -> None:
    found = found_in(source)
    assert (found.name, found.about("mailer").literal, found.recurs) == (
        "send_email",
        "queue.emails.*.send_email",
        False,
    )
    assert found.durable_in("mailer") == "mailer-send_email"


@pytest.mark.parametrize(
    ("source", "subject"),
    [
        (PLAIN.replace('"emails"', "QUEUE"), "queue.{QUEUE}.*.send_email"),
        (PLAIN.replace('"send_email"', "NAME"), "queue.emails.*.{NAME}"),
        (PLAIN.replace(', queue="emails"', ""), "queue.{}.*.send_email"),
    ],
)
def test_what_is_no_literal_is_shown_as_it_is_written(source: str, subject: str) -> None:
    found = found_in(source).about("mailer")
    assert (found.text, found.is_text) == (subject, False)


def test_a_recurring_task_is_known() -> None:
    assert found_in(PLAIN.replace('")', '", schedule=every(60))')).recurs
    assert not found_in(PLAIN.replace('")', '", schedule=None)')).recurs


def test_a_file_that_does_not_parse_says_why_and_hides_no_other(service: Path) -> None:
    write(service, "a_task.py", "def (")
    write(service, "b_task.py", PLAIN)
    write(service, "c_task.py", "async def c(): ...")
    write(service, "helper.py", PLAIN)
    broken, good, none = TASKS.files_in(service)
    assert (broken.error, broken.names) == ("line 1: invalid syntax", ())
    assert (good.error, good.names) == ("", ("send_email",))
    assert none.error == "it has no @task"


def test_what_a_command_makes_is_known_again_from_its_source(service: Path) -> None:
    options = '", priority="high", concurrency=4, timeout=2.5, max_attempts=8)'
    write(service, "send_email_task.py", PLAIN.replace('")', options))
    (file,) = TASKS.files_in(service)
    assert file.regenerated() == Task("send_email", "emails", "high", 4, 2.5, 8)


@pytest.mark.parametrize(
    "source",
    ["", PLAIN + PLAIN, PLAIN.replace("def send_email", "def other"), PLAIN.replace('"send_email"', '"other"'),
     PLAIN.replace('"send_email"', "NAME"), PLAIN.replace('")', '", schedule=every(60))')],
)  # fmt: skip
def test_what_no_command_makes_is_not_taken_for_it(service: Path, source: str) -> None:
    write(service, "send_email_task.py", source)
    with pytest.raises(InputError):
        TASKS.files_in(service)[0].regenerated()
