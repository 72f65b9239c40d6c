"""Defects that a review of an earlier runtime found, as B1 to B20. Others are tested where they belong:

B4 and B10 in test_attempts.py, B5 and B16 in test_inbox.py, B9 and B14 in test_delivery.py, B7 in test_pull_requests.py
as well, B12 in tests/chaos (`fleet-frozen`), B13 in test_nats_internals.py.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections import Counter
from contextlib import suppress
from typing import Any

import nats.errors
import pytest
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig
from nats.js.errors import NotFoundError

from natsgen.harness.nats_server import NatsServer
from src.config import Settings
from src.infrastructure.errors import ConfigurationError
from src.infrastructure.message import Message
from src.infrastructure.nats_client import NatsClient
from src.infrastructure.provisioning import consumer_for
from src.infrastructure.publishing import publish
from src.infrastructure.pull_consumer import PullConsumer
from src.infrastructure.subscription import Backoff, Subscription
from src.infrastructure.worker import Worker
from tests.runtime.conftest import SERVICE, Counts, until

SUBJECT = "integration.order.created"
STREAM, DURABLE = "INTEGRATION", "billing-tested"
SOON = Backoff(initial=0.02, maximum=0.05)


async def idle(event: dict[str, Any]) -> None:
    """A handler that does nothing."""


def subscription(function: Any, **options: Any) -> Subscription:
    return Subscription(handler="tested", subject=SUBJECT, function=function, **options)


async def prepare_by_hand(jetstream: JetStreamContext) -> None:
    """What an operator makes for a worker with `STREAM_MODE=verify`, but for the bucket."""
    await jetstream.add_stream(name=STREAM, subjects=["integration.>"])
    await jetstream.add_stream(name="DLQ", subjects=["dlq.>", "replay.>"])
    for stream, durable, subject in (
        (STREAM, DURABLE, SUBJECT),
        ("DLQ", f"{DURABLE}-replay", "replay.billing.tested"),
    ):
        await jetstream.add_consumer(
            stream,
            ConsumerConfig(
                durable_name=durable,
                filter_subject=subject,
                ack_policy=AckPolicy.EXPLICIT,
                ack_wait=30,
                max_ack_pending=10_000,
                max_deliver=-1,
            ),
        )


async def test_verify_stops_where_the_bucket_for_attempts_is_missing(
    service_settings: Settings, jetstream: JetStreamContext
) -> None:
    """B1: it was passed over in silence, and deliveries were taken for attempts."""
    await prepare_by_hand(jetstream)
    worker = Worker(service_settings.model_copy(update={"STREAM_MODE": "verify", "DEDUP": "none"}))
    worker.subscribe(subscription(idle))

    with pytest.raises(ConfigurationError, match="bucket attempts_billing is missing, and STREAM_MODE=verify creates"):
        async with asyncio.timeout(10):
            await worker.run()
    await worker.stop()


async def test_restarts_with_a_backlog_do_not_use_up_attempts(run_worker: Any, jetstream: JetStreamContext) -> None:
    """B1: the sixth start made dead letters of messages that had never been started."""
    await prepare_by_hand(jetstream)
    await jetstream.create_key_value(bucket="attempts_billing", history=1, ttl=7 * 24 * 3600)
    for _ in range(100):
        await jetstream.publish(SUBJECT, b"{}")
    hold = True

    async def handle(event: dict[str, Any]) -> None:
        await asyncio.sleep(60 if hold else 0)

    tested = subscription(handle, max_attempts=3)
    quick = {"STREAM_MODE": "verify", "GRACEFUL_SHUTDOWN_TIMEOUT": 0.2}
    for _ in range(5):
        async with run_worker(tested, **quick) as worker:
            await until(lambda: len(worker.runners[0].buffer) == 99, "the backlog")
    hold = False
    async with run_worker(tested, **quick) as worker:
        counts = Counts(worker.runners[0])
        await until(lambda: counts.handled == 100 or counts.dead_letters, "all to be handled")

    assert (counts.handled, counts.dead_letters) == (100, {})


@pytest.mark.parametrize("ack_wait", [4.1, 8.2, 16.4, 33.3, 2.05])
async def test_an_ack_wait_that_is_no_whole_number_of_nanoseconds_is_the_same_at_the_next_start(
    client: NatsClient, service_settings: Settings, ack_wait: float
) -> None:
    """B2: `verify` never started, and `create` updated the consumer each time."""
    tested = subscription(idle, ack_wait=ack_wait)
    await consumer_for(client, tested)
    made = await client.ask(f"CONSUMER.INFO.{STREAM}.{DURABLE}")

    verifying = NatsClient(service_settings.model_copy(update={"STREAM_MODE": "verify"}))
    await verifying.connect()
    consumer = await consumer_for(verifying, tested)
    await verifying.close()

    assert consumer.durable == DURABLE
    assert made["config"]["ack_wait"] == round(ack_wait * 10**9)


async def test_a_publication_whose_time_limit_is_swallowed_is_confirmed_or_the_attempt_fails(
    run_worker: Any, jetstream: JetStreamContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """B3: the limit cancelled the publication itself, and the message was acked."""
    publish_now = NatsClient.publish
    limited: list[int] = []

    async def slow(self: NatsClient, subject: str, *args: Any) -> Any:
        if subject == "results.one":
            await asyncio.sleep(0.1)
        return await publish_now(self, subject, *args)

    monkeypatch.setattr(NatsClient, "publish", slow)
    await jetstream.add_stream(name="RESULTS", subjects=["results.>"])

    async def handle(event: dict[str, Any], message: Message) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(0.01):
                await message.publish("results.one", b"1")
        with suppress(TimeoutError):
            await asyncio.wait_for(publish("results.one", b"2"), 0.01)
        limited.append(message.attempt)

    async with run_worker(subscription(handle)) as worker:
        await jetstream.publish(SUBJECT, b"{}")
        await until(lambda: Counts(worker.runners[0]).handled == 1, "the message")

    assert limited == [1]
    assert (await jetstream.stream_info("RESULTS")).state.messages == 2


async def test_a_publication_that_fails_after_its_time_limit_was_swallowed_fails_the_attempt(
    run_worker: Any, jetstream: JetStreamContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """B3, where the stream never confirms: nobody saw the failure."""
    publish_now = NatsClient.publish
    attempts: list[int] = []

    async def slow_once(self: NatsClient, subject: str, *args: Any) -> Any:
        if subject == "results.one" and len(attempts) == 1:
            await asyncio.sleep(0.1)
            raise nats.errors.NoServersError
        return await publish_now(self, subject, *args)

    monkeypatch.setattr(NatsClient, "publish", slow_once)
    await jetstream.add_stream(name="RESULTS", subjects=["results.>"])

    async def handle(event: dict[str, Any], message: Message) -> None:
        attempts.append(message.attempt)
        with suppress(TimeoutError):
            async with asyncio.timeout(0.01):
                await message.publish("results.one", b"1")

    async with run_worker(subscription(handle, backoff=SOON)) as worker:
        await jetstream.publish(SUBJECT, b"{}")
        await until(lambda: Counts(worker.runners[0]).handled == 1, "the message")

    assert attempts == [1, 2]
    assert (await jetstream.stream_info("RESULTS")).state.messages == 1


@pytest.mark.parametrize("max_attempts", [1, 5])
async def test_a_message_that_succeeds_is_not_written_down(
    run_worker: Any, jetstream: JetStreamContext, max_attempts: int
) -> None:
    """B4: with `max_attempts=1`, each made a key that was kept for a week, and cost two round trips."""
    async with run_worker(subscription(idle, max_attempts=max_attempts)) as worker:
        await asyncio.gather(*(jetstream.publish(SUBJECT, b"{}") for _ in range(500)))
        await until(lambda: Counts(worker.runners[0]).handled == 500, "all to be handled")

    assert (await jetstream.stream_info("KV_attempts_billing")).state.last_seq == 0


async def test_what_a_slow_handler_has_waiting_is_bounded_in_bytes(
    run_worker: Any, jetstream: JetStreamContext
) -> None:
    """B7: the prefetch of 500 messages was up to 500 MB; a hundred messages of 1 MB here."""
    payload = bytes(1_000_000)
    go_on = asyncio.Event()

    async def handle(event: bytes) -> None:
        await go_on.wait()

    await jetstream.add_stream(name=STREAM, subjects=["integration.>"], storage="memory")
    for _ in range(10):
        await asyncio.gather(*(jetstream.publish(SUBJECT, payload) for _ in range(10)))
    async with run_worker(subscription(handle)) as worker:
        runner, counts = worker.runners[0], Counts(worker.runners[0])
        await until(lambda: counts.received >= 8, "the first")
        await asyncio.sleep(2)  # what is tested: nothing more comes
        held = counts.received * len(payload)
        go_on.set()
        await until(lambda: counts.handled == 100, "all to be handled", limit=30)

    most = PullConsumer.MOST_BYTES + PullConsumer.REQUEST_BYTES
    assert held <= most
    assert runner.pull.consumer is not None


async def test_a_message_larger_than_what_one_request_may_bring_comes_all_the_same(
    run_worker: Any, jetstream: JetStreamContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """B7's bound may not keep a message out: the largest that the server takes."""
    monkeypatch.setattr(PullConsumer, "REQUEST_BYTES", 1_000)
    handled: list[int] = []

    async def handle(event: bytes) -> None:
        handled.append(len(event))

    async with run_worker(subscription(handle)):
        for size in (10, 1024 * 1024, 10, 1024 * 1024 - 100, 10):
            await jetstream.publish(SUBJECT, bytes(size))
        await until(lambda: len(handled) == 5, "all of them")


async def test_nothing_is_kept_alive_while_there_is_no_connection(
    nats_server: NatsServer, run_worker: Any, jetstream: JetStreamContext
) -> None:
    """B8: the signs of life for waiting messages filled the buffer of what is to be sent, and acks failed."""
    finish = asyncio.Event()

    async def handle(event: dict[str, Any]) -> None:
        await finish.wait()

    async with run_worker(subscription(handle, ack_wait=1.2)) as worker:
        for _ in range(200):
            await jetstream.publish(SUBJECT, b"{}")
        await until(lambda: len(worker.runners[0].buffer) == 199, "the backlog")
        await asyncio.to_thread(nats_server.kill)
        await until(lambda: not worker.nats.connected, "the loss")
        await asyncio.sleep(2)  # five rounds

        assert len(worker.nats._unsent) == 0
        assert worker.nats.client.pending_data_size < 1_000
        finish.set()
        await asyncio.to_thread(nats_server.start)
        await until(lambda: Counts(worker.runners[0]).handled >= 200, "all to be handled", limit=60)
        info = lambda: worker.nats.jetstream.consumer_info(STREAM, DURABLE)  # noqa: E731
        await until(lambda: settled(info), "the server to know of it", limit=60)


async def settled(info: Any) -> bool:
    state = await info()
    return (state.num_pending, state.num_ack_pending) == (0, 0)


def test_no_thread_looks_into_the_frames_of_the_loop() -> None:
    """B17: it evaluated properties and lazy objects of handlers there. The gauge of the lag is what is left."""
    sources = "".join(file.read_text() for file in (SERVICE / "src").rglob("*.py") if "web" not in file.parts)

    assert "f_locals" not in sources
    assert "_current_frames" not in sources


@pytest.mark.parametrize("given", ["0", "00"])
def test_the_health_check_says_why_it_cannot_ask_a_port_that_nobody_knows(given: str) -> None:
    """B19: it asked port 0, and failed without a reason."""
    run = subprocess.run(
        [sys.executable, "-m", "src.utils.health_check"],
        cwd=SERVICE,
        env={"HTTP_PORT": given},
        capture_output=True,
        text=True,
        timeout=20,
    )

    assert run.returncode == 1
    assert "HTTP_PORT=0 takes a free port, which a health check cannot know" in run.stderr


async def test_jetstreams_context_is_made_once_for_each_connection(
    client: NatsClient, nats_server: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """B20: each publish made one, with a parser of mail and a semaphore."""
    made = Counter[str]()
    init = JetStreamContext.__init__

    def counting(self: JetStreamContext, *args: Any, **options: Any) -> None:
        made["contexts"] += 1
        init(self, *args, **options)

    await client.jetstream.add_stream(name=STREAM, subjects=["integration.>"])
    monkeypatch.setattr(JetStreamContext, "__init__", counting)
    for number in range(10):
        await client.publish(SUBJECT, json.dumps({"n": number}).encode(), {})
    assert made["contexts"] == 0

    first = client.jetstream
    await asyncio.to_thread(nats_server.stop)
    await asyncio.to_thread(nats_server.start)
    await until(lambda: client.connected and client.connections == 2, "the next connection")
    assert client.jetstream is not first
    with suppress(NotFoundError):
        await client.jetstream.stream_info("none")
