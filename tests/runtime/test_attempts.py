"""Counting attempts by starts of the handler, on a real server."""

from __future__ import annotations

import os
from hashlib import sha256
from typing import Any

import nats.errors
import pytest
from nats.aio.msg import Msg
from nats.js import JetStreamContext
from nats.js.kv import KeyValue

from src.config import Settings
from src.infrastructure.attempts import Attempts
from src.infrastructure.errors import Retry
from src.infrastructure.message import Message
from src.infrastructure.nats_client import NatsClient
from src.infrastructure.subscription import Backoff, Subscription
from tests.runtime.conftest import Counts, until


def delivered(times: int, sequence: int = 7) -> Message:
    """A message of the running test alone, which the server delivers for the `times`-th time."""
    stream = sha256(os.environ["PYTEST_CURRENT_TEST"].encode()).hexdigest()
    reply = f"$JS.ACK.{stream}.c.{times}.{sequence}.9.1700000000000000000.0"
    return Message(Msg(_client=None, subject="a.b", reply=reply), "h", None)  # type: ignore[arg-type]


async def started(attempts: Attempts, message: Message, most: int) -> int:
    """Return the number of the attempt that begins, and end its isolation; `most + 1` if there is none left."""
    attempts.running += 1
    try:
        spent = await attempts.start(message, most)
    finally:
        attempts.running -= 1
        if message.alone:
            attempts.alone_lock.release()
    return most + 1 if spent else message.attempt


async def stored(client: NatsClient) -> None:
    """Returns when what was sent to the bucket is in it; a flush does not tell, since the server stores aside."""
    await client.publish("$KV.attempts_billing.other", b"", {})


async def test_a_first_delivery_is_the_first_attempt_and_asks_nobody(client: NatsClient) -> None:
    attempts = Attempts(client)
    await client.close()

    assert await started(attempts, delivered(1), most=5) == 1


async def test_of_many_deliveries_only_the_first_is_taken_for_a_start(client: NatsClient) -> None:
    """Of a message that waited behind one that kills its worker nobody noted anything."""
    attempts = Attempts(client)

    assert await started(attempts, delivered(40), most=5) == 2


async def test_every_start_counts_also_in_another_worker(client: NatsClient) -> None:
    first, second = Attempts(client), Attempts(client)

    assert [await started(first, delivered(1), 3), await started(second, delivered(2), 3)] == [1, 2]
    assert [await started(first, delivered(9), 3), await started(second, delivered(10), 3)] == [3, 4]
    assert await started(first, delivered(12), 3) == 4, "what is beyond the most is not noted"
    assert await started(first, delivered(2, sequence=8), most=3) == 2, "another message has a count of its own"


async def test_what_was_given_back_before_its_start_does_not_count(client: NatsClient) -> None:
    attempts = Attempts(client)
    await attempts.prepare()

    for delivery in range(1, 6):
        await attempts.uncount(delivered(delivery))
        await stored(client)

    assert await started(attempts, delivered(6), most=5) == 1


async def test_a_start_that_the_worker_cut_short_does_not_count(client: NatsClient) -> None:
    attempts = Attempts(client)
    await attempts.prepare()

    for delivery in (2, 3, 4):
        message = delivered(delivery)
        await started(attempts, message, most=5)
        message.started = 1.0
        assert message.attempt == 2
        await attempts.uncount(message)
        await stored(client)


async def test_with_one_attempt_a_start_that_nobody_noted_is_made_up_for_once(client: NatsClient) -> None:
    """Defect B4: to note the first start too, every message would be written down, and most succeed."""
    attempts = Attempts(client)

    assert [await started(attempts, delivered(times), most=1) for times in (1, 2, 3)] == [1, 1, 2]
    assert await started(attempts, delivered(2, sequence=8), most=1) == 1, "another message has a count of its own"


async def test_where_no_bucket_may_be_made_the_servers_count_is_taken(service_settings: Settings) -> None:
    client = NatsClient(service_settings.model_copy(update={"STREAM_MODE": "off"}))
    await client.connect()
    attempts = Attempts(client)

    assert [await started(attempts, delivered(times), most=5) for times in (4, 40)] == [4, 6]
    await client.close()


async def test_a_start_whose_note_is_not_confirmed_does_not_count(
    client: NatsClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The handler was not started, and the server may have the note all the same."""
    attempts = Attempts(client)
    confirmed = KeyValue.put

    async def too_slow(self: KeyValue, key: str, value: bytes) -> int:
        await confirmed(self, key, value)
        raise nats.errors.TimeoutError

    monkeypatch.setattr(KeyValue, "put", too_slow)
    for delivery in (2, 3, 4):
        with pytest.raises(nats.errors.TimeoutError):
            await started(attempts, delivered(delivery), most=3)
        await stored(client)
    monkeypatch.undo()

    assert await started(attempts, delivered(5), most=3) == 2


async def test_a_handler_that_gives_back_every_time_did_not_crash(run_worker: Any, jetstream: JetStreamContext) -> None:
    seen: list[int] = []

    async def handle(event: dict[str, Any], message: Message) -> None:
        seen.append(message.attempt)
        await message.nak(0.01)

    tested = Subscription(handler="tested", subject="integration.order.created", function=handle, max_attempts=3)
    async with run_worker(tested) as worker:
        counts = Counts(worker.runners[0])
        await jetstream.publish("integration.order.created", b"{}")
        await until(lambda: counts.dead_letters.total(), "the dead letter")

    assert seen == [1, 2, 3]
    assert counts.dead_letters == {"exhausted": 1}


async def test_a_readiness_that_waited_for_a_message_does_not_wait_for_ever(
    run_worker: Any, jetstream: JetStreamContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Defect B10: the message that was put off may be handled by another replica. `ack_wait` is half a minute."""

    async def handle(event: dict[str, Any]) -> None:
        raise Retry("once more", after=0.01)

    async def away(*_: object) -> int:
        raise nats.errors.TimeoutError

    monkeypatch.setattr(Attempts, "start", away)  # asked from the second delivery on
    soon = Backoff(initial=1, maximum=1, jitter=0)
    tested = Subscription(handler="tested", subject="integration.order.created", function=handle, backoff=soon)
    async with run_worker(tested) as worker:
        await jetstream.publish("integration.order.created", b"{}")
        await until(lambda: not worker.readiness().ready, "the trouble", limit=30)
        await jetstream.purge_stream("INTEGRATION")

        await until(lambda: worker.readiness().ready, "the end of it", limit=30)
