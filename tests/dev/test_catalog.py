"""What a service's own code tells of its parts, for each kind, and what it says to payloads."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from natsgen.cli import main
from natsgen.dev import samples
from natsgen.dev.catalog import Catalog, Source
from natsgen.dev.environment import Servers, variables
from natsgen.errors import InputError, ServiceError
from natsgen.harness.environment import environment_for
from tests.dev.conftest import natsgen


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Source:
    """A service with a part of each kind."""
    workspace = tmp_path_factory.mktemp("kinds")
    natsgen(workspace, "new", "worker", "mail", "--queue", "email")
    natsgen(workspace, "add-handler", "mail", "orders.order.created")
    natsgen(workspace, "add-action", "mail", "greet")
    natsgen(workspace, "add-action", "mail", "greet", "--version", "2")
    natsgen(workspace, "add-subscriber", "mail", "events.test")
    natsgen(workspace, "add-publisher", "mail", "beats.beat")
    folder = workspace / "services" / "mail"
    python = environment_for(folder / "requirements.txt")
    return Source(folder, python, variables(folder, Servers("nats://127.0.0.1:4222"), None))


@pytest.fixture(scope="module")
def catalog(source: Source) -> Catalog:
    """What it has."""
    return source.catalog()


def test_each_kind_is_told_with_its_subject_and_durable(catalog: Catalog) -> None:
    assert {(part.kind, part.name, part.subject, part.durable) for part in catalog.parts} == {
        ("handler", "order_created", "orders.order.created", "mail-order_created"),
        ("task", "process_email", "queue.email.normal.process_email", "mail-process_email"),
        ("action", "greet", "v1.mail.greet", ""),
        ("action", "greet_v2", "v2.mail.greet", ""),
        ("subscriber", "events_test", "events.test", ""),
    }
    assert "beats.beat" in catalog.publishes


def test_each_takes_its_example_and_refuses_what_its_model_does_not_take(source: Source, catalog: Catalog) -> None:
    for part in catalog.parts:
        taken, refused = source.problems(part, [json.dumps(samples.sample(part)), "[]"])
        assert taken == "", part
        assert refused, part


def test_what_is_not_there_or_cannot_be_imported_is_said(source: Source, catalog: Catalog, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"mail has no handler 'order_crated'; did you mean 'order_created'"):
        catalog.part("order_crated", "handler")
    with pytest.raises(ServiceError, match="cannot be imported: ModuleNotFoundError"):
        Source(tmp_path, source.python, dict(os.environ)).catalog()


def test_what_only_the_code_tells_is_in_the_document_and_code_that_fails_is_said(
    source: Source, capsys: pytest.CaptureFixture[str]
) -> None:
    handler = source.folder / "src/domain/handlers/late_handler.py"
    text = (source.folder / "src/domain/handlers/order_created_handler.py").read_text()
    handler.write_text(text.replace('"orders.order.created"', '".".join(("orders", "late"))').replace("_order_c", "_c"))
    command = ["asyncapi", "mail", "--workspace", str(source.folder.parents[1])]
    assert main(command) == 0
    out, err = capsys.readouterr()
    document = json.loads(out)
    assert document["operations"]["mail.handler.created"]["x-nats-durable"] == "mail-created"
    versions = {name: one["channel"]["$ref"] for name, one in document["operations"].items() if ".action." in name}
    assert versions == {
        "mail.action.greet": "#/channels/v1.mail.greet",
        "mail.action.greet_v2": "#/channels/v2.mail.greet",
    }
    assert "late_handler.py:" in err
    handler.write_text("raise LookupError(7)")
    assert main(command) == 1
    assert "cannot be imported: LookupError: 7; use --static to read only the source" in capsys.readouterr().err
    assert main([*command, "--static"]) == 0
    handler.unlink()
