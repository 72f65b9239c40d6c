"""Services with the extra `otel`, as processes, and what a collector gets of them."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from nats.js import JetStreamContext

from natsgen.cli import main
from natsgen.harness.nats_server import NatsServer
from natsgen.harness.ports import LOOPBACK
from natsgen.harness.service import GeneratedService
from natsgen.harness.waiting import wait_until
from tests.harness_tools.otlp_receiver import OtlpReceiver, ReceivedSpan, receiving
from tests.harness_tools.readiness import wait_ready
from tests.smoke.conftest import SUBJECT
from tests.smoke.gateways import ask
from tests.smoke.letters import run, run_json

INVOICED = "billing.invoice.written"
NEVER = "3600000"  # milliseconds: everything comes at the end, so it shows that the end exports it
INTERNAL, SERVER, CLIENT, PRODUCER, CONSUMER = range(1, 6)  # kinds of spans, in the protocol
CLIENT_TRACE, CLIENT_SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"

ACTION = f"""
from src.actions.action import action
from src.infrastructure.publishing import publish

@action(name="place")
async def place(request: dict[str, str]) -> dict[str, str]:
    await publish("{SUBJECT}", request)
    return request
"""
BILLING = f"""
from src.infrastructure.subscription import Message, subscriber
from src.utils.logging import logger

@subscriber("{SUBJECT}", publishes=["{INVOICED}"])
async def handle_order_created(order: dict[str, str], message: Message) -> None:
    logger.info("invoicing")
    message.publish("{INVOICED}", order)
"""
MAIL = f"""
from pathlib import Path

from src.infrastructure.errors import Reject
from src.infrastructure.subscription import subscriber

@subscriber("{INVOICED}")
async def handle_invoice_written(invoice: dict[str, str]) -> None:
    if not Path("repaired").exists():
        raise Reject("no postage")
"""
AUDIT = f"""
from src.infrastructure.subscription import subscriber

@subscriber("{SUBJECT}", batch_wait=0.5)
async def handle_audit(orders: list[dict[str, str]]) -> None: ...
"""


def natsgen(workspace: Path, *arguments: str) -> None:
    """Types a command in this process, which has imported everything already."""
    assert main([*arguments, "--workspace", str(workspace), "--no-input"]) == 0


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("traced")
    shop = ("--framework", "fastapi", "--route", "POST /orders=v1.orders.place")
    natsgen(folder, "new", "gateway", "shop", *shop, "--with", "otel")
    natsgen(folder, "new", "service", "orders", "--action", "place", "--with", "otel")
    natsgen(folder, "new", "worker", "billing", "--subject", SUBJECT)
    natsgen(folder, "add-handler", "billing", SUBJECT, "--name", "audit", "--batch")
    natsgen(folder, "add-extra", "billing", "otel")
    natsgen(folder, "new", "worker", "mail", "--subject", INVOICED, "--with", "otel")
    parts = {
        "orders/src/domain/actions/place_action.py": ACTION,
        "billing/src/domain/handlers/order_created_handler.py": BILLING,
        "billing/src/domain/handlers/audit_handler.py": AUDIT,
        "mail/src/domain/handlers/invoice_written_handler.py": MAIL,
    }
    for path, text in parts.items():
        assert (folder / "services" / path).exists()
        (folder / "services" / path).write_text(text)
    return folder


@pytest.fixture
def receiver() -> Iterator[OtlpReceiver]:
    with receiving() as receiver:
        yield receiver


def environment(server: NatsServer, endpoint: str) -> dict[str, str]:
    settings = {"NATS_URL": server.url, "CONSUL_ENABLED": "false", "LOG_FORMAT": "json", "LOG_LEVEL": "DEBUG"}
    delays = {"OTEL_BSP_SCHEDULE_DELAY": NEVER, "OTEL_METRIC_EXPORT_INTERVAL": NEVER}
    return {**settings, **delays, "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint}


def service(workspace: Path, name: str, logs: Path, settings: dict[str, str]) -> GeneratedService:
    return GeneratedService(workspace / "services" / name, python=sys.executable, log_folder=logs, settings=settings)


async def test_one_trace_from_the_http_request_to_the_replayed_dead_letter(
    workspace: Path, nats_server: NatsServer, receiver: OtlpReceiver, tmp_path: Path
) -> None:
    with ExitStack() as stack:
        settings = environment(nats_server, receiver.url)
        names = ("orders", "billing", "mail", "shop")
        services = {name: service(workspace, name, tmp_path, settings) for name in names}
        for one in services.values():
            await asyncio.to_thread(stack.enter_context, one)
        for one in services.values():
            await asyncio.to_thread(wait_ready, one)
        headers = {"traceparent": f"00-{CLIENT_TRACE}-{CLIENT_SPAN}-01"}
        assert (await ask(services["shop"], "POST", "/orders", {"id": "7"}, headers)).status == 200
        await asyncio.to_thread(
            wait_until,
            lambda: run_json("list", "--ids", "--server", nats_server.url)["letters"],
            limit=60,
            what="the dead letter",
        )
        (workspace / "services/mail/repaired").touch()
        await asyncio.to_thread(run, "replay", "--all", "--server", nats_server.url)

        def done() -> bool:
            stats = [services[name].stats()["subscriptions"] for name in ("mail", "billing")]
            return bool(stats[0]["invoice_written"]["handled"] == 1 and stats[1]["audit"]["handled"] == 1)

        await asyncio.to_thread(wait_until, done, limit=60, what="the replay and the batch to be handled")
        logged = services["billing"].log_records()

    at_stop = [one for one in receiver.spans if one.service == "mail"]
    assert at_stop, "SIGTERM exports everything"
    trace = [span for span in receiver.spans if span.trace == CLIENT_TRACE]
    found = {(span.service, span.name): span for span in trace if span.name != f"process {INVOICED}"}
    attempts = [span for span in trace if span.name == f"process {INVOICED}"]
    failed = next(span for span in attempts if span.failed)
    replayed = next(span for span in attempts if not span.failed)
    way = [
        found["shop", "POST /orders"],
        found["shop", "request v1.orders.place"],
        found["orders", "process v1.orders.place"],
        found["orders", f"send {SUBJECT}"],
        found["billing", f"process {SUBJECT}"],
        found["billing", f"send {INVOICED}"],
        failed,
        found["mail", "send dlq.mail.invoice_written"],
        replayed,
    ]
    assert [span.parent for span in way] == [CLIENT_SPAN, *(span.id for span in way[:-1])]
    kinds = (SERVER, CLIENT, SERVER, PRODUCER, CONSUMER, PRODUCER, CONSUMER, PRODUCER, CONSUMER)
    assert tuple(span.kind for span in way) == kinds
    settled = {name: span.parent for (_, name), span in found.items() if span.attributes.get(OPERATION) == "settle"}
    assert settled == {f"ack {SUBJECT}": way[4].id, f"term {INVOICED}": failed.id, f"ack {INVOICED}": replayed.id}
    assert len(trace) == len(way) + len(settled)
    assert all(span.failed == (span is failed) for span in trace)

    check_attributes(way, nats_server)
    assert failed.attributes["error.type"] == "Reject"
    name, exception = failed.events[0]
    assert (name, exception["exception.message"]) == ("exception", "no postage")
    batch = next(span for span in receiver.spans if span.links)
    assert batch.links == ((CLIENT_TRACE, found["orders", f"send {SUBJECT}"].id),)
    assert batch.attributes["messaging.batch.message_count"] == 1

    line = next(one for one in logged if one["message"] == "invoicing")
    assert (line["trace_id"], line["span_id"]) == (CLIENT_TRACE, way[4].id)
    assert {name: total(receiver, name) for name in METRICS} == METRICS


OPERATION = "messaging.operation.type"
METRICS = {
    "messaging.client.sent.messages": 4,  # the request, two events and a dead letter
    "messaging.client.operation.duration": 4,
    "messaging.client.consumed.messages": 5,  # the request, the event twice, its invoice and the replay
    "messaging.process.duration": 5,
}


def total(receiver: OtlpReceiver, name: str) -> int:
    return sum(point.as_int if hasattr(point, "as_int") else point.count for point in receiver.points[name])


def check_attributes(way: list[ReceivedSpan], server: NatsServer) -> None:
    """The attributes of the conventions for messaging and for HTTP."""
    http, call, _, sent, processed, *_ = way
    assert processed.resource["service.namespace"] == "orders"
    common = {"messaging.system": "nats", "server.address": LOOPBACK, "server.port": server.port}
    of_message = {
        "messaging.destination.name": SUBJECT,
        "messaging.nats.stream": "ORDERS",
        "messaging.nats.sequence": 1,
    }
    expected: list[tuple[ReceivedSpan, dict[str, Any]]] = [
        (http, {"http.request.method": "POST", "http.route": "/orders", "http.response.status_code": 200}),
        (call, {**common, "messaging.operation.name": "request", "messaging.destination.name": "v1.orders.place"}),
        (sent, {**common, **of_message, "messaging.operation.name": "send", OPERATION: "send"}),
        (processed, {**common, **of_message, "messaging.operation.name": "process", OPERATION: "process"}),
    ]
    for span, attributes in expected:
        assert span.attributes.items() >= attributes.items(), span
    assert processed.attributes["messaging.consumer.group.name"] == "billing-order_created"
    assert processed.attributes["messaging.message.id"] == sent.attributes["messaging.message.id"] != ""


async def test_a_collector_that_does_not_answer_neither_delays_nor_fails_a_message(
    workspace: Path, nats_server: NatsServer, jetstream: JetStreamContext, tmp_path: Path
) -> None:
    with socket.create_server((LOOPBACK, 0)) as silent:  # it accepts connections, and never answers
        settings = environment(nats_server, f"http://{LOOPBACK}:{silent.getsockname()[1]}")
        settings |= {"OTEL_BSP_SCHEDULE_DELAY": "10", "OTEL_EXPORTER_OTLP_TIMEOUT": "1"}
        with service(workspace, "billing", tmp_path, settings) as billing:
            await asyncio.to_thread(wait_ready, billing)
            for number in range(500):
                await jetstream.publish(SUBJECT, json.dumps({"id": str(number)}).encode())

            def handled() -> bool:
                counts = billing.stats()["subscriptions"]["order_created"]
                return bool(counts["handled"] == 500 and not counts["retried"])

            await asyncio.to_thread(wait_until, handled, limit=60, what="all messages to be handled")
            reports = lambda: [one for one in billing.log_records() if one["message"] == "telemetry has a problem"]  # noqa: E731
            await asyncio.to_thread(wait_until, reports, limit=60, what="a report")
        assert len(reports()) == 1


def test_a_disabled_sdk_is_not_even_loaded(workspace: Path) -> None:
    code = "import sys, src.telemetry as own; print(own.TracedClient.__name__, 'opentelemetry.sdk' in sys.modules)"
    folder = workspace / "services/billing"
    done = {
        disabled: subprocess.run(
            [sys.executable, "-c", code],
            cwd=folder,
            env={"OTEL_SDK_DISABLED": disabled},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split()
        for disabled in ("true", "false")
    }
    assert done == {"true": ["NatsClient", "False"], "false": ["TracedClient", "True"]}
