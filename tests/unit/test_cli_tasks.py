"""`natsgen new worker --queue`, `add-task` and `remove-task`, as a person or a script runs them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import natsgen
from natsgen.cli import main
from natsgen.files import tree

FOLDER = "services/mailer/src/domain/tasks"
NEW = ["new", "worker", "mailer", "--queue", "emails", "--queue", "reports=build_report"]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tree.Tree:
    folder = tmp_path_factory.mktemp("made") / "shop"
    assert main([*NEW, "--workspace", str(folder)]) == 0
    return tree.read(folder)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, made: tree.Tree, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Path:
    """The current folder: a workspace with the service mailer."""
    folder = tmp_path / "shop"
    for path, file in made.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(file.content)
    monkeypatch.chdir(folder)
    capsys.readouterr()
    return folder


def test_a_worker_with_queues_has_a_task_each(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*NEW, "--workspace", "other"]) == 0
    out = capsys.readouterr().out
    assert "Created the worker mailer in " in out
    assert "    process_emails is enqueued as emails.process_emails, on queue.emails.*.pro" in out
    assert (
        '@task("build_report", queue="reports")\nasync def build_report(\n'
        in (here / FOLDER / "build_report_task.py").read_text()
    )
    assert main(["list"]) == 0
    assert capsys.readouterr().out == (
        f"mailer  worker  v{natsgen.__version__}\n"
        "  build_report    queue.reports.*.build_report   task\n"
        "  process_emails  queue.emails.*.process_emails  task\n"
    )


def test_one_line_adds_a_task(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["add-task", "mailer", "send_sms", "--queue", "sms"]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    assert captured.out == (
        f"Added the task send_sms to mailer in {here}\n"
        f"  {FOLDER}/send_sms_task.py\n"
        "  services/mailer/tests/tasks/test_send_sms_task.py\n"
        "  it is enqueued as sms.send_sms, on queue.sms.*.send_sms\n"
        "\n"
        "Next, from here:\n"
        "  test it:\n"
        "    (cd services/mailer && .venv/bin/pytest tests/tasks/test_send_sms_task.py)\n"
        "  run it; a service discovers its tasks when it starts:\n"
        "    docker compose -f compose/mailer.yml up -d --build --wait\n"
    )


def test_every_option_ends_up_in_the_task(here: Path) -> None:
    options = ["--priority", "high", "--concurrency", "4", "--timeout", "2.5", "--max-attempts", "8"]
    assert main(["add-task", "mailer", "send_sms", "--queue", "sms", *options, "--no-input"]) == 0
    source = (here / FOLDER / "send_sms_task.py").read_text()
    wanted = '@task("send_sms", queue="sms", priority="high", concurrency=4, timeout=2.5, max_attempts=8)\n'
    assert wanted in source


def test_with_json_there_is_one_document_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["add-task", "mailer", "send_sms", "--queue", "sms", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["task"], document["queue"], document["subject"], document["durable"]) == (
        "send_sms",
        "sms",
        "queue.sms.*.send_sms",
        "mailer-send_sms",
    )
    assert main(["show", "mailer", "--json"]) == 0
    tasks = json.loads(capsys.readouterr().out)["tasks"]
    assert [(task["name"], task["queue"], task["recurs"]) for task in tasks][2] == ("send_sms", "sms", False)
    assert main(["remove-task", "mailer", "send_sms", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["removed"][0] == f"{FOLDER}/send_sms_task.py"
    assert document["consumers"][1] == {"stream": "QUEUE_SMS", "durable": "mailer-send_sms"}


def test_removing_says_what_stays_on_the_server(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["remove-task", "mailer", "build_report"]) == 0
    assert capsys.readouterr().out.endswith(
        "\n\nThese stay on the server. Delete them when no running worker has this task:\n"
        "  nats consumer rm QUEUE_REPORTS mailer-build_report-high\n"
        "  nats consumer rm QUEUE_REPORTS mailer-build_report\n"
        "  nats consumer rm QUEUE_REPORTS mailer-build_report-low\n"
    )


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["add-task", "mialer", "a", "--queue", "b"], 2, "did you mean 'mailer'?"),
        (["add-task", "mialer", "a"], 2, "did you mean 'mailer'?"),
        (["add-task", "mailer", "send sms", "--queue", "b"], 2, "TASK: invalid task name 'send sms'"),
        (["add-task", "mailer", "a", "--queue", "a.b"], 2, "--queue: invalid queue 'a.b'"),
        (["add-task", "mailer", "a"], 2, "--queue is required: mailer has the queues emails, reports"),
        (
            ["add-task", "mailer", "a", "--queue", "b", "--priority", "urgent"],
            2,
            "--priority: invalid priority 'urgent'",
        ),
        (["add-task", "mailer", "a", "--queue", "b", "--timeout", "nan"], 2, "--timeout: invalid time limit 'nan'"),
        (
            ["add-task", "mailer", "a", "--queue", "b", "--max-attempts", "0"],
            2,
            "invalid count of attempts '0'",
        ),
        (["add-task", "mailer", "build_report", "--queue", "b"], 1, "exists already"),
        (["remove-task", "mailer", "build_reprot"], 2, "did you mean 'build_report'?"),
        (["new", "worker", "other", "--queue", "a", "--queue", "a"], 2, "--queue: the task 'process_a' is given twice"),
        (["new", "worker", "other", "--queue", "A"], 2, "--queue: invalid queue 'A'"),
    ],
)
def test_every_mistake_is_one_line_and_changes_nothing(
    here: Path, arguments: list[str], code: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = tree.read(here)
    assert main(arguments) == code
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line
    assert tree.read(here) == before
