"""`natsgen add-action` and `natsgen remove-action`, as a person or a script runs them."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

import natsgen
from natsgen.cli import main
from natsgen.files import tree

FOLDER = "services/greeter/src/domain/actions"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tree.Tree:
    folder = tmp_path_factory.mktemp("made") / "shop"
    assert main(["new", "service", "greeter", "--action", "greet", "--workspace", str(folder)]) == 0
    return tree.read(folder)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, made: tree.Tree, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Path:
    """The current folder: a workspace with the service greeter."""
    folder = tmp_path / "shop"
    for path, file in made.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(file.content)
    monkeypatch.chdir(folder)
    capsys.readouterr()
    return folder


def test_one_line_adds_an_action(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["add-action", "greeter", "farewell"]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    assert captured.out == (
        f"Added the action farewell to greeter in {here}\n"
        f"  {FOLDER}/farewell_action.py\n"
        "  services/greeter/tests/actions/test_farewell_action.py\n"
        "  it answers requests on v1.greeter.farewell\n"
        "\n"
        "Next, from here:\n"
        "  test it:\n"
        "    (cd services/greeter && .venv/bin/pytest tests/actions/test_farewell_action.py)\n"
        "  run it; a service discovers its actions when it starts:\n"
        "    docker compose -f compose/greeter.yml up -d --build --wait\n"
    )


def test_every_option_ends_up_in_the_action(here: Path) -> None:
    command = [
        "add-action",
        "greeter",
        "report",
        "--version",
        "3",
        "--concurrency",
        "4",
        "--timeout",
        "30",
        "--no-queue",
    ]
    assert main([*command, "--no-input", "--workspace", str(here)]) == 0
    source = (here / FOLDER / "report_action.py").read_text()
    assert '@action("report", version=3, queue=False, concurrency=4, timeout=30)\n' in source


def test_with_json_there_is_one_document_and_nothing_else(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["add-action", "greeter", "greet", "--version", "2", "--json"]) == 0
    captured = capsys.readouterr()
    document = json.loads(captured.out)
    assert captured.err == ""
    assert (document["action"], document["subject"], document["version"]) == ("greet_v2", "v2.greeter.greet", 2)
    assert document["created"][0] == f"{FOLDER}/greet_v2_action.py"
    assert main(["remove-action", "greeter", "greet_v2", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["removed"][0] == f"{FOLDER}/greet_v2_action.py"
    assert document["subjects"] == ["v2.greeter.greet"]


def test_the_diffs_of_dry_runs_applied_are_what_the_commands_do(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = tree.read(here)
    assert main(["add-action", "greeter", "farewell", "--dry-run"]) == 0
    assert tree.read(here) == before
    subprocess.run(["git", "apply", "-"], input=capsys.readouterr().out.encode(), check=True)
    applied = tree.read(here)
    assert main(["remove-action", "greeter", "farewell", "--dry-run"]) == 0
    subprocess.run(["git", "apply", "-"], input=capsys.readouterr().out.encode(), check=True)
    assert tree.read(here) == before
    assert main(["add-action", "greeter", "farewell"]) == 0
    assert tree.read(here) == applied


def test_removing_says_what_is_no_longer_answered(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["remove-action", "greeter", "greet"]) == 0
    captured = capsys.readouterr()
    assert captured.out.endswith("\n\ngreeter no longer answers v1.greeter.greet.\n")
    assert captured.err == ("note: greeter is now empty and will not start; add a handler, an action or another part\n")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["add-action", "greter", "a"], 2, "did you mean 'greeter'?"),
        (["add-action", "greeter", "say hello"], 2, "ACTION: invalid action name 'say hello'"),
        (["add-action", "greeter", "import"], 2, "ACTION: invalid action name 'import'"),
        (["add-action", "greeter", "../x"], 2, "ACTION: invalid action name '../x'"),
        (["add-action", "greeter", "a", "--version", "x"], 2, "--version: invalid version 'x'"),
        (["add-action", "greeter", "a", "--concurrency", "0"], 2, "--concurrency: invalid concurrency '0'"),
        (["add-action", "greeter", "a", "--timeout", "nan"], 2, "--timeout: invalid time limit 'nan'"),
        (["add-action", "greeter"], 2, "ACTION"),
        (["add-action", "greeter", "x" * 10_000], 2, "invalid action name"),
        (["add-action", "../greeter", "a"], 2, "unknown service '../greeter'"),
        (["add-action", "greeter", "greet"], 1, "choose another version"),
        (["remove-action", "greeter", "gret"], 2, "did you mean 'greet'?"),
        (["remove-action", "greeter", "../../x"], 2, "has no action"),
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


def test_handlers_and_actions_come_to_one_service(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["add-handler", "greeter", "orders.order.paid"]) == 0
    capsys.readouterr()
    assert main(["list"]) == 0
    assert capsys.readouterr().out == (
        f"greeter  worker  v{natsgen.__version__}\n"
        "  order_paid  orders.order.paid  greeter-order_paid\n"
        "  greet       v1.greeter.greet   action\n"
    )
