"""Generated publishers and subscribers on a real NATS server, among themselves and with a client in JavaScript."""

from __future__ import annotations

import asyncio
import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from nats.js import JetStreamContext

from natsgen.harness.commands import run
from natsgen.harness.nats_server import NatsServer
from natsgen.harness.programs import need_program
from natsgen.harness.service import GeneratedService
from natsgen.harness.waiting import wait_until
from tests import alloy
from tests.smoke.conftest import StartService, natsgen

SUBJECT = "events.test"
LIMIT = 30.0  # seconds
RFC_3339_NANO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)")  # as Go reads it
LOKI_KEYS = ["timestamp", "level", "logger", "message", "service", "module", "function"]
HANDLER = """
from typing import Any

from {module} import {envelope}
from src.infrastructure.subscription import subscriber
from src.utils.logging import logger


@subscriber("orders.{name}.made")
async def handle_{name}(event: {envelope}[dict[str, Any]]) -> None:
    logger.info("handled", document=event.model_dump(mode="json", by_alias=True))
"""
ENVELOPES = {
    "domain": ("src.domain.events", "Event"),
    "plain": ("src.domain.messages", "EnvelopeMessage"),
    "cloud": ("src.domain.cloud_events", "CloudEvent"),
}


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    return tmp_path / "shop"


def published(service: GeneratedService) -> dict[str, Any]:
    (one,) = service.stats()["publishers"]
    return dict(one)


def heard(service: GeneratedService) -> dict[str, Any]:
    (one,) = service.stats()["subscribers"]
    return dict(one)


async def stored(jetstream: JetStreamContext, stream: str = "EVENTS") -> list[dict[str, Any]]:
    last = (await jetstream.stream_info(stream)).state.last_seq
    raw = [await jetstream.get_msg(stream, sequence) for sequence in range(1, last + 1)]
    return [json.loads(message.data or b"") for message in raw]


def test_publishers_and_subscribers_share_the_load(workspace: Path, start_service: StartService) -> None:
    """Two of each, as they are made, in one queue group: every message is heard once."""
    command = ("--subject", SUBJECT, "--envelope", "message")
    natsgen(workspace, "new", "publisher", "beat", *command, "--interval", "0.02")
    natsgen(workspace, "new", "subscriber", "ear", *command, "--queue-group", "workers")
    ears = [start_service(workspace / "services/ear", f"ear-{number}") for number in (1, 2)]
    beats = [start_service(workspace / "services/beat", f"beat-{number}") for number in (1, 2)]

    wait_until(
        lambda: all(published(beat)["sequence"] >= 50 for beat in beats), limit=LIMIT, what="50 messages of each"
    )
    for beat in beats:
        assert beat.stop().exit_code == 0
    sequences = {
        (record["message_id"], record["sequence"])
        for beat in beats
        for record in beat.log_records()
        if record["message"] == "message published"
    }
    wait_until(lambda: sum(heard(ear)["heard"] for ear in ears) == len(sequences), limit=LIMIT, what="all to be heard")

    for ear in ears:
        told = heard(ear)
        assert told["queue_group"] == "workers"
        assert told["heard"] > 10
        assert 0 <= told["latency_seconds"]["p50"] <= told["latency_seconds"]["p99"] < 30
        assert ear.metrics()['worker_subscriber_latency_seconds_count{subscriber="events_test"}'] == told["heard"]
        assert ear.stop().exit_code == 0
    records = [record for ear in ears for record in ear.log_records() if record["message"] == "message heard"]
    assert sorted((record["source"], record["sequence"]) for record in records) == sorted(
        (f"beat-{number}", sequence)
        for number, beat in enumerate(beats, start=1)
        for sequence in range(1, len([r for r in beat.log_records() if r["message"] == "message published"]) + 1)
    )
    assert all(list(record)[: len(LOKI_KEYS)] == LOKI_KEYS for record in records)


def test_structured_logging_json_for_loki(workspace: Path, start_service: StartService) -> None:
    """What docs/loki/config.alloy takes out of a line is in the lines, as it has to be."""
    natsgen(workspace, "new", "publisher", "beat", "--subject", SUBJECT, "--interval", "0.05")
    beat = start_service(workspace / "services/beat")
    wait_until(lambda: published(beat)["sequence"] >= 3, limit=LIMIT, what="three messages")
    assert beat.stop().exit_code == 0

    text = (Path(__file__).parents[2] / "docs/loki/config.alloy").read_text()
    (process,) = [block for block in alloy.parse(text) if block.name == "loki.process"]
    levels = {"DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"}
    for record in beat.log_records():
        assert all(isinstance(record[key], str) for key in LOKI_KEYS)
        assert record["level"] in levels
        assert RFC_3339_NANO.fullmatch(record[process.only("stage.timestamp").attributes["source"]])
    assert process.only("stage.timestamp").attributes["format"] == "RFC3339Nano"
    told = [record for record in beat.log_records() if record["message"] == "message published"]
    assert [record["sequence"] for record in told] == list(range(1, len(told) + 1))
    assert all(record["subject"] == SUBJECT and record["message_id"] for record in told)


async def test_a_publisher_waits_for_a_server_that_is_away_and_leaves_no_number_out(
    workspace: Path, start_service: StartService, nats_server: NatsServer, jetstream: JetStreamContext
) -> None:
    natsgen(workspace, "new", "publisher", "beat", "--subject", SUBJECT, "--interval", "0.02")
    beat = start_service(workspace / "services/beat")

    async def until_sequence(least: int) -> None:
        what = f"message {least} to be published"
        await asyncio.to_thread(wait_until, lambda: published(beat)["sequence"] >= least, limit=LIMIT, what=what)

    await until_sequence(20)
    nats_server.kill()
    not_ready = lambda: beat.get("/readyz").status == 503  # noqa: E731
    await asyncio.to_thread(wait_until, not_ready, limit=LIMIT, what="the publisher to be unready")
    before = published(beat)["sequence"]
    nats_server.start()
    await until_sequence(before + 20)
    assert beat.stop().exit_code == 0

    numbers = [message["data"]["sequence"] for message in await stored(jetstream)]
    assert numbers == list(range(1, len(numbers) + 1))


async def test_what_is_added_to_a_worker_publishes_and_hears_too(
    workspace: Path, start_service: StartService, jetstream: JetStreamContext
) -> None:
    natsgen(workspace, "new", "worker", "billing", "--subject", "orders.order.created")
    natsgen(workspace, "add-publisher", "billing", "beats.core", "--interval", "0.05", "--core")
    natsgen(workspace, "add-publisher", "billing", "orders.order.created", "--interval", "0.05")
    natsgen(workspace, "add-subscriber", "billing", "beats.>")
    billing = start_service(workspace / "services/billing")

    def all_work() -> bool:
        stats = billing.stats()
        counts = [one["sequence"] for one in stats["publishers"]] + [stats["subscribers"][0]["heard"]]
        return min(*counts, stats["subscriptions"]["order_created"]["handled"]) >= 5

    await asyncio.to_thread(wait_until, all_work, limit=LIMIT, what="both publishers, the subscriber and the handler")
    assert [
        info.config.name for info in await jetstream.streams_info() if "beats.>" in (info.config.subjects or [])
    ] == []
    assert billing.stop().exit_code == 0


@pytest.mark.node
@pytest.mark.parametrize("envelope", ["domain", "message", "cloudevents"])
def test_a_node_client_consumes_what_a_publisher_sends(
    envelope: str, workspace: Path, start_service: StartService, nats_server: NatsServer, node_client: Path
) -> None:
    arguments = ("--subject", SUBJECT, "--interval", "0.05", "--envelope", envelope)
    natsgen(workspace, "new", "publisher", "beat", *arguments)
    start_service(workspace / "services/beat", "python-publisher")

    node = need_program("node", hint="install Node.js")
    told = run([node, node_client / "envelopes.js", "hear", nats_server.url, SUBJECT, "3"], limit=LIMIT).output

    messages = json.loads(told)
    documents = [json.loads(message["payload"]) for message in messages]
    sequences = [document["data"]["sequence"] for document in documents]
    assert sequences == list(range(sequences[0], sequences[0] + 3))
    for message, document, sequence in zip(messages, documents, sequences, strict=True):
        assert message["subject"] == SUBJECT
        assert document.pop("data") == {"sequence": sequence, "status": "success"}
        time = datetime.fromisoformat(document.pop("time" if envelope == "cloudevents" else "timestamp"))
        assert abs((datetime.now(UTC) - time).total_seconds()) < LIMIT
        if envelope == "domain":
            assert message["headers"]["Nats-Msg-Id"] == document.pop("id")
            assert document == {"type": SUBJECT, "aggregateId": str(sequence)}
        elif envelope == "message":
            identity = document.pop("message_id")
            assert message["headers"]["Nats-Msg-Id"] == identity
            assert identity.startswith(f"python-publisher-{sequence}-")
            assert document == {"source": "python-publisher", "sequence": sequence}
        else:
            assert message["headers"]["Content-Type"] == "application/cloudevents+json"
            assert document.pop("id")
            assert document == {
                "specversion": "1.0",
                "source": "/beat",
                "type": SUBJECT,
                "datacontenttype": "application/json",
                "sequence": str(sequence),
            }


@pytest.mark.node
def test_a_worker_handles_what_a_node_client_publishes(
    workspace: Path, start_service: StartService, nats_server: NatsServer, node_client: Path
) -> None:
    """In every envelope, whatever the worker was made with."""
    natsgen(
        workspace, "new", "worker", "billing", "--subject", "orders.order.created", "--with", "messages,cloudevents"
    )
    handlers = workspace / "services/billing/src/domain/handlers"
    for name, (module, envelope) in ENVELOPES.items():
        source = HANDLER.format(name=name, module=module, envelope=envelope)
        (handlers / f"{name}_handler.py").write_text(source)
    billing = start_service(workspace / "services/billing")
    data = {"number": 1, "text": "\u20ac", "nested": {"list": [1.5, None, True]}}
    time = "2025-10-08T15:30:45.123456Z"
    event = {"id": "evt-1", "type": "orders.domain.made", "timestamp": time, "aggregateId": "o-1", "data": data}
    plain = {"message_id": "node-42", "timestamp": time, "source": "node", "sequence": 42, "data": data}
    cloud = {"specversion": "1.0", "id": "1", "source": "/node", "type": "orders.cloud.made", "time": time}
    binary = {f"ce-{name}": value for name, value in {**cloud, "id": "2", "subject": "a%20b", "ext": "x"}.items()}

    def tell(subject: str, *messages: dict[str, Any]) -> None:
        node = need_program("node", hint="install Node.js")
        run([node, node_client / "envelopes.js", "tell", nats_server.url, subject, json.dumps(messages)], limit=LIMIT)

    tell("orders.domain.made", {"payload": json.dumps(event)})
    tell("orders.plain.made", {"payload": json.dumps(plain)})
    tell(
        "orders.cloud.made",
        {"payload": json.dumps({**cloud, "data": data}), "headers": {"Content-Type": "application/cloudevents+json"}},
        {"payload": json.dumps(data), "headers": binary},
    )

    def documents() -> dict[str, list[Any]]:
        records = [record for record in billing.log_records() if record["message"] == "handled"]
        return {name: [one["document"] for one in records if one["handler"] == name] for name in ENVELOPES}

    wait_until(lambda: sum(map(len, documents().values())) == 4, limit=LIMIT, what="four messages to be handled")
    assert documents()["domain"] == [event]
    assert documents()["plain"] == [plain]
    absent = {"subject": None, "datacontenttype": None, "dataschema": None}
    assert documents()["cloud"] == [
        {**cloud, **absent, "data": data},
        {**cloud, **absent, "id": "2", "subject": "a b", "ext": "x", "data": data},
    ]
