"""`natsgen add-route` and `natsgen remove-route`, as a person or a script runs them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import natsgen
from natsgen.cli import main
from natsgen.files import tree

FOLDER = "services/api/src/web/routes"
NEW = ["new", "gateway", "api", "--framework", "fastapi", "--route", "POST /greet=v1.greeter.greet"]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tree.Tree:
    folder = tmp_path_factory.mktemp("made") / "shop"
    assert main([*NEW, "--workspace", str(folder)]) == 0
    assert main(["new", "worker", "billing", "--subject", "a.b", "--workspace", str(folder)]) == 0
    return tree.read(folder)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, made: tree.Tree, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Path:
    """The current folder: a workspace with the gateway api and the worker billing."""
    folder = tmp_path / "shop"
    for path, file in made.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(file.content)
    monkeypatch.chdir(folder)
    capsys.readouterr()
    return folder


def test_one_line_adds_a_route(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["add-route", "api", "post /orders/{id}=publish:orders.order.created"]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    assert captured.out == (
        f"Added the route order_created to api in {here}\n"
        f"  {FOLDER}/order_created_route.py\n"
        "  services/api/tests/routes/test_order_created_route.py\n"
        "  it answers POST /orders/{id} and publishes to orders.order.created\n"
        "\n"
        "Next, from here:\n"
        "  test it:\n"
        "    (cd services/api && .venv/bin/pytest tests/routes/test_order_created_route.py)\n"
        "  run it; a service discovers its routes when it starts:\n"
        "    docker compose -f compose/api.yml up -d --build --wait\n"
    )


def test_with_json_there_is_one_document_and_nothing_else(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["add-route", "api", "GET /hi/{name}=v1.greeter.greet", "--name", "hi", "--json"]) == 0
    captured = capsys.readouterr()
    document = json.loads(captured.out)
    assert captured.err == ""
    assert {key: document[key] for key in ("service", "route", "method", "path", "call", "dry_run", "notes")} == {
        "service": "api",
        "route": "hi",
        "method": "GET",
        "path": "/hi/{name}",
        "call": "v1.greeter.greet",
        "dry_run": False,
        "notes": [],
    }
    assert document["created"][0] == f"{FOLDER}/hi_route.py"
    assert main(["remove-route", "api", "hi", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["removed"][0], document["requests"]) == (f"{FOLDER}/hi_route.py", ["GET /hi/{name}"])


def test_the_diffs_of_dry_runs_applied_are_what_the_commands_do(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = tree.read(here)
    added = ["add-route", "api", "PUT /x=publish:orders.order.changed"]
    assert main([*added, "--dry-run"]) == 0
    assert tree.read(here) == before
    subprocess.run(["git", "apply", "-"], input=capsys.readouterr().out.encode(), check=True)
    applied = tree.read(here)
    assert main(["remove-route", "api", "order_changed", "--dry-run"]) == 0
    subprocess.run(["git", "apply", "-"], input=capsys.readouterr().out.encode(), check=True)
    assert tree.read(here) == before
    assert main(added) == 0
    assert tree.read(here) == applied


def test_removing_says_what_is_no_longer_answered(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["remove-route", "api", "greet"]) == 0
    captured = capsys.readouterr()
    assert captured.out.endswith("\n\napi no longer answers POST /greet.\n")
    assert captured.err == ""


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["add-route", "aip", "GET /a=a.b"], 2, "did you mean 'api'?"),
        (["add-route", "billing", "GET /a=a.b"], 1, "billing is not a gateway"),
        (["add-route", "api"], 2, "ROUTE"),
        (["add-route", "api", "GET /a"], 2, "ROUTE: invalid route 'GET /a': use METHOD PATH=SUBJECT"),
        (["add-route", "api", "GET ../a=a.b"], 2, "ROUTE: invalid path of a route '../a'"),
        (["add-route", "api", "GET /../a=a.b"], 2, "clients remove .."),
        (["add-route", "api", "GET /metrics=a.b"], 2, "every gateway answers that itself"),
        (["add-route", "api", "GET /a=a.>"], 2, "use a subject without wildcards"),
        (["add-route", "api", "GET /a=a.b", "--name", "../x"], 2, "--name: invalid route name '../x'"),
        (["add-route", "api", "GET /a=a.b", "--name", "import"], 2, "--name: invalid route name 'import'"),
        (["add-route", "api", "x" * 10_000], 2, "invalid route"),
        (["add-route", "api", "GET /a=v1.greeter.greet"], 1, "such as --name greeter_greet"),
        (["add-route", "api", "POST /greet=v1.greeter.hello"], 1, "choose another method or path"),
        (["add-route", "../api", "GET /a=a.b"], 2, "unknown service '../api'"),
        (["remove-route", "api", "gret"], 2, "did you mean 'greet'?"),
        (["remove-route", "api", "../../x"], 2, "has no route"),
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


def test_a_gateway_may_have_handlers_and_actions_as_well(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["add-handler", "api", "orders.order.paid"]) == 0
    assert main(["add-action", "api", "hello"]) == 0
    capsys.readouterr()
    assert main(["list", "api"]) == 0
    assert capsys.readouterr().out == (
        f"api  gateway  v{natsgen.__version__}\n"
        "  order_paid  orders.order.paid  api-order_paid\n"
        "  hello       v1.api.hello       action\n"
        "  greet       POST /greet        calls v1.greeter.greet\n"
    )


def test_list_and_show_tell_the_routes_to_a_script(capsys: pytest.CaptureFixture[str]) -> None:
    for command in (["list", "api", "--json"], ["show", "api", "--json"]):
        assert main(command) == 0
        document = json.loads(capsys.readouterr().out)
        api = document["services"][0] if "services" in document else document
        assert (api["kind"], api["actions"], api["handlers"]) == ("gateway", [], [])
        (route,) = api["routes"]
        line = route.pop("line")
        assert line > 1
        assert route == {
            "name": "greet",
            "method": "POST",
            "path": "/greet",
            "request_is_literal": True,
            "calls": ["v1.greeter.greet"],
            "publishes": [],
            "file": "src/web/routes/greet_route.py",
        }


def test_adding_a_route_imports_neither_copier_nor_pydantic(here: Path, environment: dict[str, str]) -> None:
    script = (
        "import sys; from natsgen.cli import main; main(['add-route', 'api', 'GET /a=a.b']);"
        "heavy = ('copier', 'nats', 'pydantic', 'rich', 'fastapi', 'django');"
        "print([name for name in heavy if name in sys.modules])"
    )
    process = subprocess.run(
        [sys.executable, "-c", script], env=environment, cwd=here, capture_output=True, text=True, timeout=30
    )
    assert process.stdout.splitlines()[-1] == "[]"
