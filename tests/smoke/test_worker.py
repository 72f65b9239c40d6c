"""The generated worker, as generated, against a real NATS server."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable

import pytest
from nats.js import JetStreamContext

from natsgen.harness.nats_server import NatsServer
from natsgen.harness.service import GeneratedService
from natsgen.harness.waiting import wait_until
from tests.harness_tools.readiness import wait_ready
from tests.smoke.conftest import DURABLE, STREAM, SUBJECT, StartWorker
from tests.smoke.traffic import counts, event, handled, publish, settled

SLOW_HANDLER = f"""
import asyncio
from src.infrastructure.subscription import subscriber

@subscriber("{SUBJECT}")
async def handle_order_created(event: dict) -> None:
    await asyncio.sleep(0.5)
"""

# As generated but for `ack_wait`, after which the server delivers again what was acknowledged into a dying connection.
PATIENT_HANDLER = f"""
from src.infrastructure.subscription import subscriber
from src.utils.logging import logger

@subscriber("{SUBJECT}", ack_wait=3)
async def handle_order_created(event: dict) -> None:
    logger.info("event handled", event_id=event["id"])
"""

CRASHING_HANDLER = f"""
import os, signal
from src.infrastructure.subscription import subscriber

@subscriber("{SUBJECT}", ack_wait=1, max_attempts=2)
async def handle_order_created(event: dict) -> None:
    os.kill(os.getpid(), signal.SIGKILL)
"""


async def test_10_000_events_are_handled_acknowledged_and_counted(
    nats_server: NatsServer, jetstream: JetStreamContext, start_worker: StartWorker
) -> None:
    worker = start_worker(NATS_URL=nats_server.url)

    await publish(jetstream, 10_000)
    await settled(jetstream)

    state = await jetstream.consumer_info(STREAM, DURABLE)
    assert (state.num_pending, state.num_ack_pending, state.num_redelivered) == (0, 0, 0)
    assert counts(worker)["handled"] == 10_000
    assert worker.metrics()['worker_messages_handled_total{handler="order_created"}'] == 10_000
    assert worker.metrics()['worker_handler_duration_seconds_count{handler="order_created"}'] == 10_000
    assert handled(worker) == {f"evt_{number}" for number in range(10_000)}


async def test_events_are_handled_while_the_server_is_away_for_five_seconds(
    nats_server: NatsServer,
    jetstream: JetStreamContext,
    start_worker: StartWorker,
    write_handler: Callable[[str], None],
) -> None:
    write_handler(PATIENT_HANDLER)
    worker = start_worker(NATS_URL=nats_server.url)
    traffic = asyncio.create_task(publish(jetstream, 6_000))
    await asyncio.to_thread(wait_until, lambda: counts(worker)["handled"] > 500, limit=60, what="the first events")

    await asyncio.to_thread(nats_server.stop)
    await asyncio.sleep(5)  # the time for which the server is to be away
    await asyncio.to_thread(nats_server.start)
    await traffic
    await settled(jetstream)

    assert handled(worker) == {f"evt_{number}" for number in range(6_000)}
    assert worker.process.running


async def test_events_are_handled_while_the_consumer_is_deleted(
    nats_server: NatsServer, jetstream: JetStreamContext, start_worker: StartWorker
) -> None:
    worker = start_worker(NATS_URL=nats_server.url)
    await publish(jetstream, 3_000)
    await asyncio.to_thread(
        wait_until, lambda: counts(worker)["pending"] == 0, limit=60, what="the worker to know how far it has come"
    )
    traffic = asyncio.create_task(publish(jetstream, 6_000, first=3_000))
    await asyncio.to_thread(wait_until, lambda: counts(worker)["handled"] > 4_000, limit=60, what="more events")

    await jetstream.delete_consumer(STREAM, DURABLE)
    await traffic
    await settled(jetstream)

    assert handled(worker) == {f"evt_{number}" for number in range(9_000)}
    assert worker.process.running
    # it goes on from where it was last seen, and does not handle the whole stream again
    assert counts(worker)["received"] < 9_000 + 6_000


async def test_a_stopped_worker_hands_what_it_has_not_started_to_another(
    nats_server: NatsServer,
    jetstream: JetStreamContext,
    start_worker: StartWorker,
    write_handler: Callable[[str], None],
) -> None:
    write_handler(SLOW_HANDLER)
    first = start_worker("first", NATS_URL=nats_server.url)
    await publish(jetstream, 200)
    wait_until(lambda: counts(first)["buffered"] >= 198, limit=30, what="the first worker to hold the events")
    second = start_worker("second", NATS_URL=nats_server.url)

    first.process.signal(signal.SIGTERM)
    loop = asyncio.get_running_loop()
    began = loop.time()
    # ack_wait is 30 s: what comes within a fraction of that was given back
    # the first one handles two a second while the other starts
    wait_until(lambda: counts(second)["received"] >= 180, limit=30, what="the second worker to have them")
    took = loop.time() - began
    code = first.process.wait(10)

    print(f"the second worker had {counts(second)['received']} messages {took:.2f} s after SIGTERM")
    assert took < 20
    assert code == 0
    stopped = first.log_records()[-1]
    assert stopped["message"] == "worker stopped"


async def test_a_worker_without_nats_and_consul_waits_and_begins_when_nats_comes(
    nats_server: NatsServer, start_worker: StartWorker
) -> None:
    nats_server.stop()
    worker = start_worker(ready=False, NATS_URL=nats_server.url, CONSUL_ENABLED="true", CONSUL_PORT="1")

    wait_until(
        lambda: (
            {"waiting for NATS", "no heartbeat to Consul: trying again"}
            <= {record["message"] for record in worker.log_records()}
        ),
        limit=10,
        what="both to be reported missing",
    )
    assert worker.get("/healthz").status == 200
    unready = worker.get("/readyz")
    assert unready.status == 503
    assert unready.json()["reason"].startswith("not connected to NATS")

    nats_server.start()
    wait_ready(worker)


async def test_a_poison_message_becomes_a_dead_letter_and_the_rest_goes_on(
    nats_server: NatsServer, jetstream: JetStreamContext, start_worker: StartWorker
) -> None:
    worker = start_worker(NATS_URL=nats_server.url)

    await publish(jetstream, 5)
    await jetstream.publish(SUBJECT, b"poison")
    await publish(jetstream, 5, first=5)
    await settled(jetstream)

    letter = await jetstream.get_last_msg("DLQ", "dlq.billing.order_created")
    assert letter.data == b"poison"
    assert letter.headers is not None
    assert letter.headers["Dlq-Reason"] == "invalid"
    assert counts(worker)["handled"] == 10
    assert counts(worker)["dead_letters"] == {"invalid": 1}


async def test_a_message_that_kills_its_worker_is_a_dead_letter_before_it_is_handled_again(
    nats_server: NatsServer,
    jetstream: JetStreamContext,
    start_worker: StartWorker,
    write_handler: Callable[[str], None],
) -> None:
    write_handler(CRASHING_HANDLER)
    start_worker("first", NATS_URL=nats_server.url)
    await publish(jetstream, 1)
    for name in ("second", "third"):
        worker: GeneratedService = start_worker(name, ready=False, NATS_URL=nats_server.url)
        if name != "third":
            assert await asyncio.to_thread(worker.process.wait, 15) == -signal.SIGKILL
    await settled(jetstream)

    letter = await jetstream.get_last_msg("DLQ", "dlq.billing.order_created")
    assert letter.headers is not None
    assert (letter.headers["Dlq-Reason"], letter.headers["Dlq-Attempts"]) == ("crashed", "2")
    assert letter.data == event(0)


async def test_one_handler_for_a_stream_that_exists_with_another_name(
    nats_server: NatsServer, jetstream: JetStreamContext, start_worker: StartWorker
) -> None:
    await jetstream.add_stream(name="COMPANY_EVENTS", subjects=["orders.>", "invoices.>"])

    worker = start_worker(NATS_URL=nats_server.url, STREAM_MODE="create")
    await publish(jetstream, 3)

    wait_until(lambda: counts(worker)["handled"] == 3, limit=30, what="the events to be handled")


@pytest.mark.parametrize(
    ("stream_mode", "expected"),
    [("verify", "no stream DLQ for dlq.>, replay.>"), ("off", "no stream ORDERS for orders.>")],
)
async def test_a_worker_that_may_not_make_streams_says_what_is_missing(
    nats_server: NatsServer, start_worker: StartWorker, stream_mode: str, expected: str
) -> None:
    worker = start_worker(ready=False, NATS_URL=nats_server.url, STREAM_MODE=stream_mode)

    assert await asyncio.to_thread(worker.process.wait, 10) == 2
    assert expected in worker.log_records()[-1]["message"]


async def test_a_durable_that_cannot_be_changed_stops_the_start_with_the_difference(
    nats_server: NatsServer, jetstream: JetStreamContext, start_worker: StartWorker
) -> None:
    await jetstream.add_stream(name=STREAM, subjects=["orders.>"])
    await jetstream.add_consumer(STREAM, durable_name=DURABLE, deliver_subject="push.here", ack_policy="explicit")

    worker = start_worker(ready=False, NATS_URL=nats_server.url)

    assert await asyncio.to_thread(worker.process.wait, 10) == 2
    assert "deliver_subject is push.here, wanted not set" in worker.log_records()[-1]["message"]


async def test_a_durable_with_other_values_is_brought_up_to_date(
    nats_server: NatsServer, jetstream: JetStreamContext, start_worker: StartWorker
) -> None:
    await jetstream.add_stream(name=STREAM, subjects=["orders.>"])
    await jetstream.add_consumer(
        STREAM, durable_name=DURABLE, ack_policy="explicit", max_deliver=3, backoff=[1, 2], description="by hand"
    )

    start_worker(NATS_URL=nats_server.url)

    found = (await jetstream.consumer_info(STREAM, DURABLE)).config
    assert (found.max_deliver, found.ack_wait, found.filter_subject) == (-1, 30, SUBJECT)
    assert (found.backoff, found.description) == (None, "by hand")
