"""`natsgen publish`, `call`, `tail` and `replay-trace` against the services of a running `natsgen dev`."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from natsgen.cli import main
from natsgen.dev import samples
from natsgen.dev.catalog import Part
from natsgen.harness.processes import ManagedProcess
from tests.dev.conftest import LIMIT, SUBJECT, Dev

HANDLED = "event handled"


@pytest.fixture(scope="module")
def dev(generated: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dev]:
    """`natsgen dev`, with both services ready."""
    command = [sys.executable, "-m", "natsgen", "dev", "--json", "--no-ui", "--workspace", str(generated)]
    with ManagedProcess(command, name="dev", log_folder=tmp_path_factory.mktemp("dev")) as process:
        found = Dev(process)
        found.wait("billing is ready")
        found.wait("greeter is ready")
        yield found


class Ended(NamedTuple):
    """A command that has ended."""

    returncode: int
    stdout: str
    stderr: str


def type_(workspace: Path, *arguments: str) -> Ended:
    """Types a command in the workspace."""
    with redirect_stdout(io.StringIO()) as out, redirect_stderr(io.StringIO()) as err:
        code = main([*arguments, "--workspace", str(workspace)])
    return Ended(code, out.getvalue(), err.getvalue())


def test_an_example_and_given_data_reach_the_handler(dev: Dev, generated: Path) -> None:
    before = len(dev.said(HANDLED, service="billing"))
    assert (
        "published 1 on orders.order.created, as ORDERS:"
        in type_(generated, "publish", "billing", "order_created").stdout
    )
    many = type_(generated, "publish", "billing", "order_created", "--data", '{"total": 1}', "--count", "20", "--json")
    assert json.loads(many.stdout)["published"] == 20
    dev.wait(HANDLED, service="billing", times=before + 21)
    assert len({record["event_id"] for record in dev.said(HANDLED, service="billing")}) == before + 21


@pytest.mark.slow
def test_what_the_model_does_not_take_is_not_published(dev: Dev, generated: Path) -> None:
    refused = type_(generated, "publish", "billing", "order_created", "--data", '{"id": 5, "data": {}}')
    assert (refused.returncode, refused.stdout) == (2, "")
    assert (
        "invalid payload for order_created: id: Input should be a valid string; type: Field required" in refused.stderr
    )
    mistyped = type_(generated, "publish", "billing", "order_crated")
    assert mistyped.returncode == 2
    assert "did you mean 'order_created'?" in mistyped.stderr


@pytest.mark.slow
def test_an_action_is_called(dev: Dev, generated: Path) -> None:
    answer = type_(generated, "call", "greeter", "greet", "--data", '{"name": "Ada"}')
    assert json.loads(answer.stdout) == {"result": {"message": "Hello Ada!"}}
    refused = type_(generated, "call", "greeter", "greet", "--data", "{}")
    assert (refused.returncode, refused.stdout) == (2, "")


def test_dead_letters_are_those_of_the_running_dev(dev: Dev, generated: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dev.publish_raw([(SUBJECT, b"no JSON")])
    dev.wait("dead letter", service="billing")
    found = type_(generated, "dlq", "list", "--json")
    assert (json.loads(found.stdout)["total"], found.stderr) == (1, "")
    monkeypatch.setenv("NATS_URL", "nats://localhost:1")
    purged = type_(generated, "dlq", "purge", "--all", "--yes")
    assert purged.returncode == 0
    assert f"connecting to {dev.nats_url}, the NATS server of the running natsgen dev, not to NATS_URL" in purged.stderr


@pytest.mark.slow
def test_messages_are_shown_and_a_chain_is_started_again(dev: Dev, generated: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "natsgen", "tail", "--json", "--subject", SUBJECT, "--workspace", str(generated)]
    with ManagedProcess(command, name="tail", log_folder=tmp_path) as tail:
        tail.wait_for_line("waiting for messages", limit=LIMIT)
        type_(generated, "publish", "billing", "order_created", "--data", '{"total": 77}')
        first = json.loads(tail.wait_for_line('"total": 77', limit=LIMIT).string)
        correlation = first["headers"]["Correlation-Id"]
        again = json.loads(type_(generated, "replay-trace", correlation, "--json").stdout)
        line = tail.wait_for_line(again["correlation_id"], limit=LIMIT).string
        assert json.loads(line)["payload"] == first["payload"]
        assert again["correlation_id"] != correlation
    unknown = type_(generated, "replay-trace", "nothing")
    assert unknown.returncode == 1
    assert "has a message with the correlation id nothing" in unknown.stderr


@pytest.mark.parametrize(
    ("schema", "example"),
    [
        ({"type": "integer", "minimum": 5}, 5),
        ({"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1, "multipleOf": 0.5}, 0.5),
        ({"type": "string", "minLength": 6, "maxLength": 8}, "textxx"),
        ({"enum": ["a", "b"]}, "a"),
        ({"anyOf": [{"type": "boolean"}, {"type": "null"}]}, True),
        ({"type": "array", "items": {"type": "string", "format": "date"}}, ["2026-01-31"]),
        ({"type": "object", "properties": {"a": {"default": 3}, "b": {}}, "required": ["a"]}, {"a": 3}),
        ({"$ref": "#/$defs/Node", "$defs": {"Node": {"type": "array", "items": {"$ref": "#/$defs/Node"}}}}, None),
    ],
)
def test_examples_fit_their_schema(schema: dict[str, Any], example: Any) -> None:
    made = samples.sample(Part("handler", "one", "", "a.b", schema=schema))
    if example is not None:
        assert made == example
    assert json.dumps(made)
