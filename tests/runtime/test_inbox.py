"""What the inbox must prevent, and what it must not: on a real NATS server."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from nats.aio.msg import Msg
from nats.js import JetStreamContext

from natsgen.harness.waiting import wait_until
from src.config import Settings
from src.infrastructure.errors import Retry
from src.infrastructure.handling.deduplication import Deduplication
from src.infrastructure.handling.kv_inbox import KvInbox
from src.infrastructure.handling.origin import origin_of, travelling
from src.infrastructure.inbox import Claim
from src.infrastructure.message import Message
from src.infrastructure.nats_client import NatsClient
from src.infrastructure.subscription import Subscription
from src.infrastructure.wiring import handler_parts

SUBJECT = "integration.order.created"


def subscription(function: Any, **options: Any) -> Subscription:
    return Subscription(handler="tested", subject=SUBJECT, function=function, **options)


def delivered() -> Message:
    reply = "$JS.ACK.S.c.1.7.9.1700000000000000000.0"
    return Message(Msg(_client=None, subject="a.b", reply=reply), "h", None)  # type: ignore[arg-type]


class Inbox:
    """An inbox whose store can be slow or away at the moment that a test needs."""

    def __init__(self, *, renewing: float = 0, away_after_handling: bool = False) -> None:
        self._renewing = renewing
        self._away_after_handling = away_after_handling

    async def claim(self, key: str, lease: float) -> Claim:
        return Claim.TAKEN

    async def renew(self, key: str, lease: float) -> None:
        await asyncio.sleep(self._renewing)

    async def done(self, key: str) -> None:
        if self._away_after_handling:
            raise ConnectionError("away")

    async def release(self, key: str) -> None: ...

    async def close(self) -> None: ...


async def test_messages_of_a_stream_made_anew_are_others(run_worker: Any, jetstream: JetStreamContext) -> None:
    """Without a publisher's id they have the numbers of the old ones."""
    seen: list[int] = []

    async def handle(event: dict[str, int]) -> None:
        seen.append(event["n"])

    for number in (1, 2):
        async with run_worker(subscription(handle), DEDUP="nats-kv") as worker:
            stats = worker.runners[0].stats
            await jetstream.publish(SUBJECT, b'{"n": %d}' % number)
            settled = lambda stats=stats: stats.handled or stats.duplicates  # noqa: E731
            await asyncio.to_thread(wait_until, settled, limit=5, what="the message to be settled")
        await jetstream.delete_stream("INTEGRATION")

    assert seen == [1, 2]


def test_a_message_that_comes_back_is_the_same_to_the_inbox() -> None:
    first = delivered()
    returned = Msg(
        _client=None,  # type: ignore[arg-type]
        subject="replay.billing.h",
        reply="$JS.ACK.DLQ.c.1.99.1.1700000009000000000.0",
        headers=travelling(first, "billing"),
    )

    again = Message(returned, "h", None, origin_of(returned))  # type: ignore[arg-type]

    assert again.inbox_key == first.inbox_key
    assert (again.id, again.sequence) == (first.id, first.sequence) == ("S:7", 7)


async def test_a_worker_does_not_take_what_it_is_handling_itself(
    client: NatsClient, service_settings: Settings
) -> None:
    """Not even when the claim has ended, because the handler blocked the loop that would have renewed it."""
    deduplication = Deduplication(KvInbox(client, service_settings), 0.1, "wait")
    first, again = delivered(), delivered()
    assert await deduplication.claim(first) is Claim.TAKEN
    await asyncio.sleep(0.1)

    assert await deduplication.claim(again) is Claim.HELD
    await deduplication.release(first)
    assert await deduplication.claim(again) is Claim.TAKEN
    await deduplication.done(again)
    assert await deduplication.claim(first) is Claim.DONE


async def test_a_slow_store_does_not_keep_messages_from_being_kept_alive(
    run_worker: Any, jetstream: JetStreamContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handler_parts, "inbox_for", lambda *_: Inbox(renewing=1))
    finish = asyncio.Event()

    async def handle(event: dict[str, Any]) -> None:
        await finish.wait()

    async with run_worker(subscription(handle, ack_wait=1.5, concurrency=10)) as worker:
        stats = worker.runners[0].stats
        for _ in range(10):
            await jetstream.publish(SUBJECT, b"{}")
        await asyncio.to_thread(wait_until, lambda: worker.runners[0].in_flight == 10, limit=5, what="all to run")
        await asyncio.sleep(3)  # twice ack_wait: the server would have delivered what it had not heard of
        finish.set()
        await asyncio.to_thread(wait_until, lambda: stats.handled >= 10, limit=5, what="all to be handled")

    assert stats.received == 10


async def test_what_was_handled_is_not_given_back_when_the_worker_stops_before_the_store_is_back(
    run_worker: Any, jetstream: JetStreamContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handler_parts, "inbox_for", lambda *_: Inbox(away_after_handling=True))

    async def handle(event: dict[str, Any]) -> None: ...

    async with run_worker(subscription(handle), GRACEFUL_SHUTDOWN_TIMEOUT=0.3) as worker:
        await jetstream.publish(SUBJECT, b"{}")
        waits = lambda: "waiting for the inbox" in worker.runners[0].trouble  # noqa: E731
        await asyncio.to_thread(wait_until, waits, limit=5, what="the worker to wait for the store")

    info = await jetstream.consumer_info("INTEGRATION", "billing-tested")
    assert (info.num_ack_pending, info.num_pending) == (0, 0)


async def test_a_claim_ends_with_the_message_that_is_given_up(run_worker: Any, jetstream: JetStreamContext) -> None:
    """Its replay would have to wait, and the worker would remember it for ever."""

    async def handle(event: dict[str, Any], message: Message) -> None:
        if message.deliveries == 1:
            await message.nak(0.01)
        raise Retry("again", after=0.01)

    tested = subscription(handle, max_attempts=1)
    async with run_worker(tested, DEDUP="nats-kv") as worker:
        stats = worker.runners[0].stats
        await jetstream.publish(SUBJECT, b"{}", headers={"Nats-Msg-Id": "evt_1"})
        await asyncio.to_thread(wait_until, stats.dead_letters.total, limit=5, what="the dead letter")
        inbox = worker._parts._inbox
        assert inbox is not None

        assert await inbox.claim("tested:evt_1", 1) is Claim.TAKEN
