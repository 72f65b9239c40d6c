"""`natsgen add-handler` and `natsgen remove-handler`, as a person or a script runs them."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from natsgen.cli import main
from natsgen.files import tree

Run = Callable[..., subprocess.CompletedProcess[str]]
FOLDER = "services/billing/src/domain/handlers"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tree.Tree:
    folder = tmp_path_factory.mktemp("made") / "shop"
    arguments = ["new", "worker", "billing", "--subject", "orders.order.created", "--workspace", str(folder)]
    assert main(arguments) == 0
    return tree.read(folder)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, made: tree.Tree, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Path:
    """The current folder: a workspace with the worker billing."""
    folder = tmp_path / "shop"
    for path, file in made.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(file.content)
    monkeypatch.chdir(folder)
    capsys.readouterr()
    return folder


def test_one_line_adds_a_handler(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["add-handler", "billing", "orders.order.paid"]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    assert captured.out == (
        f"Added the handler order_paid to billing in {here}\n"
        f"  {FOLDER}/order_paid_handler.py\n"
        "  services/billing/tests/handlers/test_order_paid_handler.py\n"
        "  it handles orders.order.paid with the durable billing-order_paid\n"
        "\n"
        "Next, from here:\n"
        "  test it:\n"
        "    (cd services/billing && .venv/bin/pytest tests/handlers/test_order_paid_handler.py)\n"
        "  run it; a service discovers its handlers when it starts:\n"
        "    docker compose -f compose/billing.yml up -d --build --wait\n"
    )


def test_every_option_ends_up_in_the_handler(here: Path) -> None:
    command = ["add-handler", "billing", "orders.>", "--name", "audit", "--durable", "d-1", "--concurrency", "10"]
    assert main([*command, "--batch", "--no-input", "--workspace", str(here)]) == 0
    source = (here / FOLDER / "audit_handler.py").read_text()
    assert '@subscriber("orders.>", durable="d-1", concurrency=10)' in source
    assert "list[Event[Audit]]" in source


@pytest.mark.parametrize(("subject", "name"), [("orders.order.*", "order_any"), ("orders.>", "orders_all")])
def test_a_wildcard_gets_a_name(here: Path, subject: str, name: str) -> None:
    assert main(["add-handler", "billing", subject]) == 0
    assert (here / FOLDER / f"{name}_handler.py").is_file()


def test_with_json_there_is_one_document_and_nothing_else(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["add-handler", "billing", "orders.order.paid", "--json"]) == 0
    captured = capsys.readouterr()
    document = json.loads(captured.out)
    assert captured.err == ""
    assert (document["handler"], document["durable"], document["dry_run"]) == (
        "order_paid",
        "billing-order_paid",
        False,
    )
    assert document["created"][0] == f"{FOLDER}/order_paid_handler.py"
    assert main(["remove-handler", "billing", "order_paid", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["removed"][0] == f"{FOLDER}/order_paid_handler.py"
    assert document["next"] == ["nats consumer rm ORDERS billing-order_paid"]


def test_the_diffs_of_dry_runs_applied_are_what_the_commands_do(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = tree.read(here)
    assert main(["add-handler", "billing", "orders.order.paid", "--dry-run"]) == 0
    assert tree.read(here) == before
    subprocess.run(["git", "apply", "-"], input=capsys.readouterr().out.encode(), check=True)
    applied = tree.read(here)
    assert main(["remove-handler", "billing", "order_paid", "--dry-run"]) == 0
    assert tree.read(here) == applied
    subprocess.run(["git", "apply", "-"], input=capsys.readouterr().out.encode(), check=True)
    assert tree.read(here) == before
    assert main(["add-handler", "billing", "orders.order.paid"]) == 0
    assert tree.read(here) == applied


@pytest.mark.parametrize(
    ("arguments", "stream"),
    [
        ('"orders.order.created", stream=None', "ORDERS"),
        ('"orders.order.created", stream="SALES"', "SALES"),
        ('"*.order.created"', "<stream>"),
    ],
)
def test_removing_names_the_stream_of_the_consumer(
    here: Path, capsys: pytest.CaptureFixture[str], arguments: str, stream: str
) -> None:
    file = here / FOLDER / "order_created_handler.py"
    file.write_text(file.read_text().replace('"orders.order.created"', arguments))
    assert main(["remove-handler", "billing", "order_created", "--force", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["consumers"][0]["stream"] == stream


def test_removing_says_what_stays_on_the_server(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["remove-handler", "billing", "order-created"]) == 0
    captured = capsys.readouterr()
    assert captured.out.endswith("\n  nats consumer rm ORDERS billing-order_created\n")
    assert captured.err == ("note: billing is now empty and will not start; add a handler, an action or another part\n")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["add-handler", "biling", "a.b"], 2, "did you mean 'billing'?"),
        (["add-handler", "billing", "a b"], 2, "SUBJECT: invalid subject 'a b'"),
        (["add-handler", "billing", "dlq.x"], 2, "SUBJECT: invalid subject 'dlq.x'"),
        (["add-handler", "billing", "a.b", "--name", "Order Paid"], 2, "--name: invalid handler name 'Order Paid'"),
        (["add-handler", "billing", "a.b", "--name", "../x"], 2, "--name: invalid handler name '../x'"),
        (["add-handler", "billing", "a.b", "--durable", "a.b"], 2, "--durable: invalid durable 'a.b'"),
        (["add-handler", "billing", "a.b", "--concurrency", "0"], 2, "--concurrency: invalid concurrency '0'"),
        (["add-handler", "billing", "a.b", "--concurrency", "x"], 2, "--concurrency"),
        (["add-handler", "billing"], 2, "SUBJECT"),
        (["add-handler", "billing", "x" * 10_000], 2, "10000 characters"),
        (["add-handler", "../billing", "a.b"], 2, "unknown service '../billing'"),
        (["add-handler", "billing", "orders.order.created"], 1, "--name orders_order_created"),
        (["remove-handler", "billing", "order_crated"], 2, "did you mean 'order_created'?"),
        (["remove-handler", "billing", "../../x"], 2, "has no handler"),
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


def test_two_processes_with_different_handlers_both_succeed(here: Path, natsgen_process: Run) -> None:
    with ThreadPoolExecutor() as pool:
        one = pool.submit(natsgen_process, "add-handler", "billing", "a.one", cwd=here)
        other = pool.submit(natsgen_process, "add-handler", "billing", "a.other", cwd=here)
    assert (one.result().returncode, other.result().returncode) == (0, 0)
    assert {path.name for path in (here / FOLDER).glob("a_*")} == {"a_one_handler.py", "a_other_handler.py"}


def test_two_processes_with_the_same_handler_add_it_once(here: Path, natsgen_process: Run) -> None:
    with ThreadPoolExecutor() as pool:
        runs = [pool.submit(natsgen_process, "add-handler", "billing", "a.one", cwd=here) for _ in range(2)]
    assert sorted(run.result().returncode for run in runs) == [0, 1]
    assert "exists already" in "".join(run.result().stderr for run in runs)


def test_adding_a_handler_imports_neither_copier_nor_pydantic(here: Path, environment: dict[str, str]) -> None:
    import sys

    script = (
        "import sys; from natsgen.cli import main; main(['add-handler', 'billing', 'a.b']);"
        "print([name for name in ('copier', 'nats', 'pydantic', 'rich') if name in sys.modules])"
    )
    process = subprocess.run(
        [sys.executable, "-c", script], env=environment, cwd=here, capture_output=True, text=True, timeout=30
    )
    assert process.stdout.splitlines()[-1] == "[]"
