"""`natsgen list` and `natsgen show`, as a person or a script runs them."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

import natsgen
from natsgen.cli import main
from natsgen.files import tree
from natsgen.files.workspace import Workspace
from natsgen.services import listing

HANDLER = '@subscriber("{subject}")\nasync def handle_{name}(event): ...\n'


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder: a workspace with the services audit and billing, one file of which does not parse."""
    folder = tmp_path / "shop"
    make(folder, "billing", HANDLER.format(name="paid", subject="orders.paid"))
    make(folder, "audit", "@subscriber(SUBJECT)\nasync def handle_seen(event): ...")
    (folder / "services/billing/src/domain/handlers/broken_handler.py").write_text("def (")
    (folder / "services/other").mkdir()
    monkeypatch.chdir(folder)
    return folder


def make(workspace: Path, name: str, source: str) -> None:
    handlers = workspace / "services" / name / "src/domain/handlers"
    handlers.mkdir(parents=True)
    (handlers / "x_handler.py").write_text(source)
    (workspace / "services" / name / ".copier-answers.yml").write_text("_commit: v0.1.0\n")


def test_the_list_has_services_handlers_and_what_cannot_be_read(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    assert captured.out == (
        "audit  worker  v0.1.0\n"
        "  seen  (SUBJECT)  audit-seen\n"
        "billing  worker  v0.1.0\n"
        "  paid  orders.paid  billing-paid\n"
        "  src/domain/handlers/broken_handler.py: line 1: invalid syntax\n"
    )


def make_actions(workspace: Path, name: str, **files: str) -> None:
    folder = workspace / "services" / name / "src/domain/actions"
    folder.mkdir(parents=True)
    (workspace / "services" / name / ".copier-answers.yml").write_text("_commit: v0.1.0\n")
    for file, source in files.items():
        (folder / f"{file}_action.py").write_text(source)


def test_actions_are_listed_with_their_subjects(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_actions(
        here,
        "greeter",
        greet='@action("greet")\nasync def greet(request): ...\n',
        tell="@action(NAME, version=2, queue=False)\nasync def tell(request): ...\n",
        broken="def (",
    )
    make_actions(here, "audit", search='@action("search")\nasync def search(request): ...\n')
    assert main(["list", "greeter"]) == 0
    assert capsys.readouterr().out == (
        "greeter  service  v0.1.0\n"
        "  greet  v1.greeter.greet     action\n"
        "  tell   (v2.greeter.{NAME})  action of every instance\n"
        "  src/domain/actions/broken_action.py: line 1: invalid syntax\n"
    )
    assert main(["list", "audit"]) == 0
    assert capsys.readouterr().out == (
        "audit  worker  v0.1.0\n  seen    (SUBJECT)        audit-seen\n  search  v1.audit.search  action\n"
    )
    assert main(["list", "greeter", "--json"]) == 0
    (greeter,) = json.loads(capsys.readouterr().out)["services"]
    assert (greeter["kind"], greeter["handlers"]) == ("service", [])
    assert greeter["unreadable"][0]["file"] == "src/domain/actions/broken_action.py"
    assert greeter["actions"] == [
        {
            "name": "greet",
            "action": "greet",
            "subject": "v1.greeter.greet",
            "subject_is_literal": True,
            "version": "1",
            "queue": True,
            "options": {},
            "file": "src/domain/actions/greet_action.py",
            "line": 2,
        },
        {
            "name": "tell",
            "action": "NAME",
            "subject": "v2.greeter.{NAME}",
            "subject_is_literal": False,
            "version": "2",
            "queue": False,
            "options": {"version": "2", "queue": "False"},
            "file": "src/domain/actions/tell_action.py",
            "line": 2,
        },
    ]


def test_one_service_may_be_listed_alone(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "audit"]) == 0
    assert capsys.readouterr().out.startswith("audit  worker")
    assert main(["list", "audi"]) == 2
    assert "did you mean 'audit'?" in capsys.readouterr().err


def test_the_list_as_json(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "--json", "--no-input"]) == 0
    audit, billing = json.loads(capsys.readouterr().out)["services"]
    assert billing["unreadable"] == [
        {"file": "src/domain/handlers/broken_handler.py", "error": "line 1: invalid syntax"}
    ]
    assert audit["handlers"] == [
        {
            "name": "seen",
            "subject": "SUBJECT",
            "subject_is_literal": False,
            "durable": "audit-seen",
            "batch": False,
            "options": {},
            "file": "src/domain/handlers/x_handler.py",
            "line": 2,
        }
    ]


def test_without_services_the_list_is_empty(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "--workspace", str(tmp_path)]) == 0
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", f"no services in {tmp_path}; create one with natsgen new\n")


def test_control_characters_in_source_do_not_reach_the_terminal(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make(here, "evil", HANDLER.format(name="x", subject="a\\x1b[31m\\nb"))
    assert main(["list", "evil"]) == 0
    assert r"a\x1b[31m\nb" in capsys.readouterr().out


def test_neither_list_nor_show_changes_anything(here: Path) -> None:
    before = tree.read(here)
    main(["list"])
    main(["show", "audit"])
    assert tree.read(here) == before


def test_the_list_imports_nothing_that_takes_long(here: Path, environment: dict[str, str]) -> None:
    script = (
        "import sys; from natsgen.cli import main; main(['list']);"
        "print([name for name in ('copier', 'nats', 'pydantic', 'yaml', 'rich', 'jinja2') if name in sys.modules])"
    )
    process = subprocess.run(
        [sys.executable, "-c", script], env=environment, cwd=here, capture_output=True, text=True, timeout=30
    )
    assert process.stdout.splitlines()[-1] == "[]"


def test_a_service_takes_well_under_10_ms(tmp_path: Path) -> None:
    for number in range(100):
        make(tmp_path, f"s{number}", HANDLER.format(name="x", subject="a.b"))
    workspace = Workspace(tmp_path)
    start = time.process_time()
    services = [listing.service(workspace, name) for name in listing.names(workspace)]
    assert len(services) == 100
    assert time.process_time() - start < 1.0


def test_show_tells_one_service_in_full(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = ["--workspace", str(tmp_path / "shop")]
    assert main(["new", "worker", "billing", "--subject", "orders.order.created", *place]) == 0
    (tmp_path / "shop/services/billing/src/main.py").write_text("changed")
    capsys.readouterr()
    assert main(["show", "billing", *place]) == 0
    out = capsys.readouterr().out
    assert out.startswith(
        f"billing  worker  v{natsgen.__version__}\n  order_created  orders.order.created  billing-order_created\n"
    )
    for line in ("Answers:", "Settings:", f"Files that differ from the template (v{natsgen.__version__}):"):
        assert f"\n{line}\n" in out
    assert out.endswith("  changed  services/billing/src/main.py\n")
    assert main(["show", "billing", "--json", *place]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["changed"] == [{"path": "services/billing/src/main.py", "how": "changed", "yours": False}]
    assert document["answers"]["handlers"] == {"order_created": "orders.order.created"}
    assert document["handlers"][0]["subject_is_literal"]


def test_a_service_whose_answers_cannot_be_used_is_one_line(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "audit"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "services/audit/.copier-answers.yml contains the answers of" in line


def test_what_json_has_no_type_for_is_text(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    answers = here / "services/billing/.copier-answers.yml"
    answers.write_text("since: 2024-01-01\non: {2024-01-02: [!!set {a}]}\n")
    assert main(["answers", "billing", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["answers"]
    assert found == {"since": "2024-01-01", "True": {"2024-01-02": [["a"]]}}
