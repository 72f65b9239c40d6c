"""What must not break a worker, or keep it from ending: each of these once did."""

from __future__ import annotations

import asyncio
import shutil
import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from nats.js import JetStreamContext
from nats.js.api import RetentionPolicy

from natsgen.harness.consul_agent import ConsulAgent
from natsgen.harness.nats_server import NatsServer
from natsgen.harness.service import GeneratedService
from natsgen.harness.waiting import wait_until
from tests.harness_tools.consul import check_status
from tests.harness_tools.freezing import freeze, resume
from tests.harness_tools.readiness import wait_ready
from tests.smoke.conftest import DURABLE, STREAM, SUBJECT, StartWorker, natsgen
from tests.smoke.traffic import counts, event, publish, settled

pytestmark = pytest.mark.slow  # tests/runtime and the core rows of tests/chaos prove it without a process for each

HEAD = "from src.infrastructure.subscription import Backoff, subscriber\nfrom src.infrastructure.errors import Reject\n"
SLOW = f"""{HEAD}
import asyncio
@subscriber("{SUBJECT}")
async def handle_order_created(event: dict) -> None:
    await asyncio.sleep(0.5)
"""
STUBBORN = f"""{HEAD}
import asyncio
@subscriber("{SUBJECT}")
async def handle_order_created(event: dict) -> None:
    while True:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            pass
"""
IN_A_THREAD = f"""{HEAD}
import asyncio, time
@subscriber("{SUBJECT}")
async def handle_order_created(event: dict) -> None:
    await asyncio.to_thread(time.sleep, 60)
"""
CANCELS_ITSELF = f"""{HEAD}
import asyncio

@subscriber("{SUBJECT}", max_attempts=2, backoff=Backoff(initial=0.05))
async def handle_order_created(event: dict) -> None:
    if event["data"]["number"] == 0:
        asyncio.current_task().cancel()
        await asyncio.sleep(60)
"""
REJECTS = f"""{HEAD}
@subscriber("{SUBJECT}", backoff=Backoff(initial=0.2, maximum=0.2))
async def handle_order_created(event: bytes) -> None:
    if event.startswith(b"bad"):
        raise Reject("bad")
"""

WriteHandler = Callable[[str], None]


@pytest.fixture
def inbox(service: Path, tmp_path: Path) -> None:
    """Gives the service the package that `--dedup nats-kv` brings; the setting is the test's."""
    workspace = tmp_path / "with-inbox"
    natsgen(workspace, "new", "worker", "billing", "--subject", SUBJECT, "--dedup", "nats-kv")
    shutil.copytree(workspace / "services/billing/src/inbox", service / "src/inbox")


def works(worker: GeneratedService) -> bool:
    return bool(counts(worker)["in_flight"] == 1)


async def test_restarts_make_no_dead_letters_of_messages_that_were_merely_fetched(
    nats_server: NatsServer, jetstream: JetStreamContext, start_worker: StartWorker, write_handler: WriteHandler
) -> None:
    write_handler(SLOW)
    worker = start_worker("w0", NATS_URL=nats_server.url)
    await publish(jetstream, 60)
    for number in range(1, 8):  # more often than max_attempts
        await asyncio.to_thread(wait_until, partial(works, worker), limit=30, what="work")
        assert (await asyncio.to_thread(worker.stop)).exit_code == 0
        worker = start_worker(f"w{number}", NATS_URL=nats_server.url)
    await asyncio.to_thread(wait_until, lambda: counts(worker)["handled"] >= 2, limit=30, what="work to go on")

    assert counts(worker)["dead_letters"] == {}
    assert (await jetstream.stream_info("DLQ")).state.messages == 0


@pytest.mark.parametrize("handler", [STUBBORN, IN_A_THREAD])
async def test_a_handler_that_does_not_end_does_not_hold_the_process(
    nats_server: NatsServer,
    jetstream: JetStreamContext,
    start_worker: StartWorker,
    write_handler: WriteHandler,
    handler: str,
) -> None:
    write_handler(handler)
    worker = start_worker(NATS_URL=nats_server.url, GRACEFUL_SHUTDOWN_TIMEOUT="0.5")
    await publish(jetstream, 2)
    await asyncio.to_thread(wait_until, lambda: counts(worker)["in_flight"] == 1, limit=30, what="the handler")

    stopped = await asyncio.to_thread(worker.stop, 15)

    assert (stopped.exit_code, stopped.forced) == (0, False)
    state = await jetstream.consumer_info(STREAM, DURABLE)
    assert (state.num_ack_pending, state.num_pending) in {(0, 2), (2, 0)}  # given back, and not acknowledged
    assert any("did not finish in time" in record["message"] for record in worker.log_records())


async def test_a_second_signal_ends_the_wait_for_handlers(
    nats_server: NatsServer, jetstream: JetStreamContext, start_worker: StartWorker, write_handler: WriteHandler
) -> None:
    write_handler(IN_A_THREAD)
    worker = start_worker(NATS_URL=nats_server.url, GRACEFUL_SHUTDOWN_TIMEOUT="60")
    await publish(jetstream, 1)
    await asyncio.to_thread(wait_until, lambda: counts(worker)["in_flight"] == 1, limit=30, what="the handler")

    worker.process.signal(signal.SIGINT)
    await asyncio.to_thread(worker.process.wait_for_line, "waiting for handlers", limit=30)
    worker.process.signal(signal.SIGINT)

    assert await asyncio.to_thread(worker.process.wait, 15) == 0


async def test_it_stops_in_time_while_nats_is_frozen_or_gone(
    nats_server: NatsServer, jetstream: JetStreamContext, start_worker: StartWorker, write_handler: WriteHandler
) -> None:
    write_handler(SLOW)
    frozen = start_worker("frozen", NATS_URL=nats_server.url, GRACEFUL_SHUTDOWN_TIMEOUT="1")
    await publish(jetstream, 50)
    await asyncio.to_thread(wait_until, lambda: counts(frozen)["buffered"] > 30, limit=30, what="messages held")
    freeze(nats_server)
    assert (await asyncio.to_thread(frozen.stop, 25)).exit_code == 0
    resume(nats_server)

    gone = start_worker("gone", NATS_URL=nats_server.url, GRACEFUL_SHUTDOWN_TIMEOUT="1")
    await asyncio.to_thread(wait_until, lambda: counts(gone)["buffered"] > 10, limit=45, what="messages held")
    await asyncio.to_thread(nats_server.kill)
    assert (await asyncio.to_thread(gone.stop, 25)).exit_code == 0


async def test_a_handler_that_cancels_itself_is_a_failing_handler(
    nats_server: NatsServer, jetstream: JetStreamContext, start_worker: StartWorker, write_handler: WriteHandler
) -> None:
    write_handler(CANCELS_ITSELF)
    worker = start_worker(NATS_URL=nats_server.url)

    await publish(jetstream, 20)
    await settled(jetstream)

    assert counts(worker)["handled"] == 19
    assert counts(worker)["dead_letters"] == {"exhausted": 1}


async def test_a_dead_letter_that_does_not_fit_points_to_its_original(
    nats_server: NatsServer, jetstream: JetStreamContext, start_worker: StartWorker, write_handler: WriteHandler
) -> None:
    write_handler(REJECTS)
    worker = start_worker(NATS_URL=nats_server.url)
    await jetstream.publish(SUBJECT, b"bad".ljust(1024 * 1024 - 200, b"."))
    await jetstream.publish(SUBJECT, b"bad".ljust(1024 * 1024 - 3_000, b"."), headers={"Tenant": "acme"})
    await jetstream.publish(SUBJECT, b"good")

    await settled(jetstream)

    assert worker.stats()["nats_connections"] == 1
    assert counts(worker)["handled"] == 1
    assert counts(worker)["dead_letters"] == {"rejected": 2}
    large, smaller = await jetstream.get_msg("DLQ", 1), await jetstream.get_msg("DLQ", 2)
    assert large.headers is not None
    assert smaller.headers is not None
    assert smaller.data == b"bad".ljust(1024 * 1024 - 3_000, b"."), "it fits without its stack"
    assert "Dlq-Payload" not in smaller.headers
    assert (large.data or b"", large.headers["Dlq-Payload"]) == (b"", "original")
    original = await jetstream.get_msg(large.headers["Dlq-Stream"], int(large.headers["Dlq-Sequence"]))
    assert original.data == b"bad".ljust(1024 * 1024 - 200, b".")
    assert worker.metrics()['worker_dead_letters_without_payload_total{handler="order_created"}'] == 1


async def test_headers_that_cannot_be_sent_are_left_out_of_a_dead_letter(
    nats_server: NatsServer, jetstream: JetStreamContext, start_worker: StartWorker, write_handler: WriteHandler
) -> None:
    write_handler(REJECTS)
    worker = start_worker(NATS_URL=nats_server.url)
    reader, writer = await asyncio.open_connection("127.0.0.1", nats_server.port)  # nats-py refuses such a header
    headers, payload = b"NATS/1.0\r\nx/y: 1\r\nTenant: acme\r\n\r\n", b"bad"
    size = len(headers) + len(payload)
    writer.write(b'CONNECT {"verbose":false,"headers":true}\r\n')
    writer.write(f"HPUB {SUBJECT} {len(headers)} {size}\r\n".encode() + headers + payload + b"\r\nPING\r\n")
    await reader.readuntil(b"PONG")
    writer.close()
    await asyncio.to_thread(wait_until, lambda: counts(worker)["dead_letters"], limit=30, what="the dead letter")

    letter = await jetstream.get_last_msg("DLQ", "dlq.billing.order_created")
    assert letter.headers is not None
    assert (letter.headers["Tenant"], letter.headers["Dlq-Dropped-Headers"]) == ("acme", "x/y")


async def test_a_dead_letter_stream_that_was_deleted_is_made_again(
    nats_server: NatsServer, jetstream: JetStreamContext, start_worker: StartWorker
) -> None:
    worker = start_worker(NATS_URL=nats_server.url)
    await jetstream.delete_stream("DLQ")

    await jetstream.publish(SUBJECT, b"poison")
    await settled(jetstream, 10)

    assert counts(worker)["dead_letters"] == {"invalid": 1}
    assert (await jetstream.stream_info("DLQ")).state.messages == 1


async def test_a_dead_letter_stream_of_another_kind_stops_the_start(
    nats_server: NatsServer, jetstream: JetStreamContext, start_worker: StartWorker
) -> None:
    await jetstream.add_stream(name="DLQ", subjects=["DLQ.>"])

    worker = start_worker(ready=False, NATS_URL=nats_server.url)

    assert await asyncio.to_thread(worker.process.wait, 10) == 2
    assert "add dlq.>, replay.> to them" in worker.log_records()[-1]["message"]


async def test_a_deleted_consumer_of_a_work_queue_is_made_again(
    nats_server: NatsServer, jetstream: JetStreamContext, start_worker: StartWorker
) -> None:
    await jetstream.add_stream(name=STREAM, subjects=["orders.>"], retention=RetentionPolicy.WORK_QUEUE)
    worker = start_worker(NATS_URL=nats_server.url)
    await publish(jetstream, 10)
    await asyncio.to_thread(wait_until, lambda: counts(worker)["pending"] == 0, limit=60, what="progress to be known")

    await jetstream.delete_consumer(STREAM, DURABLE)
    await publish(jetstream, 10, first=10)

    await asyncio.to_thread(wait_until, lambda: counts(worker)["handled"] == 20, limit=60, what="the rest")


async def test_a_leading_wildcard_does_not_consume_dead_letters(
    nats_server: NatsServer, jetstream: JetStreamContext, start_worker: StartWorker, write_handler: WriteHandler
) -> None:
    await jetstream.add_stream(name=STREAM, subjects=["orders.>"])
    write_handler(REJECTS.replace(SUBJECT, "*.order.>"))
    worker = start_worker(NATS_URL=nats_server.url)

    await jetstream.publish(SUBJECT, b"bad")
    await jetstream.publish(SUBJECT, b"good")
    await settled(jetstream, 10)

    assert counts(worker)["handled"] == 1
    assert (await jetstream.stream_info("DLQ")).state.messages == 1


async def test_a_subject_in_several_streams_stops_the_start(
    nats_server: NatsServer, jetstream: JetStreamContext, start_worker: StartWorker, write_handler: WriteHandler
) -> None:
    await jetstream.add_stream(name="A", subjects=["orders.order.>"])
    await jetstream.add_stream(name="B", subjects=["orders.invoice.>"])
    write_handler(REJECTS.replace(SUBJECT, "orders.>"))

    worker = start_worker(ready=False, NATS_URL=nats_server.url)

    assert await asyncio.to_thread(worker.process.wait, 10) == 2
    assert "orders.> is in several streams; set stream= to one: A, B" in worker.log_records()[-1]["message"]


@pytest.mark.usefixtures("inbox")
async def test_a_deleted_inbox_is_made_again(
    nats_server: NatsServer, jetstream: JetStreamContext, start_worker: StartWorker
) -> None:
    worker = start_worker(NATS_URL=nats_server.url, DEDUP="nats-kv")
    await publish(jetstream, 1)
    await settled(jetstream, 10)
    await jetstream.delete_key_value("inbox_billing")

    await publish(jetstream, 1, first=1)
    await settled(jetstream, 20)

    wait_ready(worker, 10)
    assert (counts(worker)["handled"], counts(worker)["dead_letters"]) == (2, {})
    assert (await (await jetstream.key_value("inbox_billing")).status()).values == 1


@pytest.mark.usefixtures("inbox")
async def test_an_inbox_that_is_away_makes_it_unready_and_no_dead_letters(
    nats_server: NatsServer, jetstream: JetStreamContext, start_worker: StartWorker
) -> None:
    start_worker("first", NATS_URL=nats_server.url).process.stop()  # makes the streams
    worker = start_worker("second", NATS_URL=nats_server.url, DEDUP="nats-kv", STREAM_MODE="verify")

    await publish(jetstream, 1)
    await asyncio.to_thread(wait_until, lambda: counts(worker)["retried"] >= 4, limit=60, what="it to be put off")
    assert worker.get("/readyz").status == 503
    assert "waiting for a store" in worker.get("/readyz").json()["reason"]
    assert (counts(worker)["handled"], counts(worker)["dead_letters"]) == (0, {})

    await jetstream.create_key_value(bucket="inbox_billing", ttl=86_400)
    await settled(jetstream, 20)
    wait_ready(worker, 10)
    assert counts(worker)["handled"] == 1


@pytest.mark.usefixtures("inbox")
async def test_messages_need_not_wait_for_an_inbox_that_is_away(
    nats_server: NatsServer, jetstream: JetStreamContext, start_worker: StartWorker
) -> None:
    start_worker("first", NATS_URL=nats_server.url).process.stop()  # makes the streams
    worker = start_worker(
        "second", NATS_URL=nats_server.url, DEDUP="nats-kv", STREAM_MODE="verify", DEDUP_UNAVAILABLE="handle"
    )

    await publish(jetstream, 100)
    await settled(jetstream, 20)

    assert worker.get("/readyz").status == 200
    assert (counts(worker)["handled"], counts(worker)["retried"]) == (100, 0)
    assert any("handling without the inbox" in line["message"] for line in worker.log_records())


def test_two_handlers_with_one_durable_stop_the_start(
    service: Path, service_python: Path, tmp_path: Path, write_handler: WriteHandler
) -> None:
    write_handler(f"""{HEAD}
@subscriber("a.b.c", durable="same")
async def handle_one(event: dict) -> None: ...

@subscriber("a.b.d", durable="same")
async def handle_two(event: dict) -> None: ...
""")
    worker = GeneratedService(service, python=service_python, log_folder=tmp_path)
    worker.launch()

    assert worker.process.wait(10) == 2
    assert "or the durable same" in worker.log_records()[-1]["message"]


async def test_a_durable_that_delivers_only_new_messages_starts_after_those_that_are_there(
    nats_server: NatsServer, jetstream: JetStreamContext, start_worker: StartWorker, write_handler: WriteHandler
) -> None:
    await jetstream.add_stream(name=STREAM, subjects=["orders.>"])
    await publish(jetstream, 5)
    write_handler(SLOW.replace(f'"{SUBJECT}"', f'"{SUBJECT}", deliver="new"'))
    worker = start_worker(NATS_URL=nats_server.url)

    await jetstream.publish(SUBJECT, event(5))
    await settled(jetstream, 10)

    assert counts(worker)["received"] == 1


@pytest.mark.consul
def test_it_leaves_consul_also_after_a_request_went_wrong(
    nats_server: NatsServer, consul_agent: ConsulAgent, start_worker: StartWorker
) -> None:
    in_consul = {"CONSUL_ENABLED": "true", "CONSUL_PORT": str(consul_agent.http_port), "CONSUL_TTL": "3"}
    worker = start_worker(NATS_URL=nats_server.url, CONSUL_HOST="127.0.0.1", **in_consul)
    api = consul_agent.api
    wait_until(
        lambda: check_status(api, f"billing-billing-127.0.0.1-{worker.port}") == "passing",
        limit=60,
        what="it to be passing",
    )
    freeze(consul_agent)
    worker.process.wait_for_line("no heartbeat to Consul", limit=60)
    resume(consul_agent)

    assert worker.stop().exit_code == 0
    wait_until(lambda: api.service_instances("billing") == [], limit=30, what="it to be gone from Consul")
