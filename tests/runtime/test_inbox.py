"""What the inbox must prevent, and what it must not: on a real NATS server."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock, Mock

import pytest
from nats.aio.msg import Msg
from nats.js import JetStreamContext
from redis.exceptions import RedisError

import src.inbox
from src.config import Settings
from src.inbox import StoredInbox, inbox_for
from src.inbox.handler_inbox import Claim, StoredHandlerInbox
from src.inbox.kv_inbox import KvInbox
from src.inbox.redis_inbox import RedisInbox
from src.inbox.settings import InboxSettings
from src.infrastructure.errors import ConfigurationError, Retry
from src.infrastructure.message import Message
from src.infrastructure.message_buffer import MessageBuffer
from src.infrastructure.nats_client import NatsClient
from src.infrastructure.subscription import Backoff, Subscription
from src.infrastructure.worker import Worker
from tests.harness_tools.redis_server import RedisServer
from tests.runtime.conftest import Counts, until

SUBJECT = "integration.order.created"


def subscription(function: Any, **options: Any) -> Subscription:
    return Subscription(handler="tested", subject=SUBJECT, function=function, **options)


def delivered(times: int = 1, headers: dict[str, str] | None = None) -> Message:
    reply = f"$JS.ACK.S.c.{times}.7.9.1700000000000000000.0"
    return Message(Msg(_client=None, subject="a.b", reply=reply, headers=headers), "h", None)  # type: ignore[arg-type]


class Store:
    """A store that can be slow or away at the moment that a test needs."""

    def __init__(self, *, renewing: float = 0, away_after_handling: bool = False) -> None:
        self._renewing = renewing
        self._away_after_handling = away_after_handling
        self.open = asyncio.Event()  # whether notes are taken
        self.open.set()
        self.claims: list[set[str]] = []
        self.notes: list[set[str]] = []
        self.released: set[str] = set()

    @property
    def renewed(self) -> int:
        return sum(map(len, self.claims)) - len(set().union(*self.claims))

    async def claim(self, claims: Mapping[str, Any], lease: float) -> list[tuple[Claim, Any]]:
        known = set().union(*self.claims)
        self.claims.append(set(claims))
        if claims.keys() & known:
            await asyncio.sleep(self._renewing)
        return [(Claim.TAKEN, None) for _ in claims]

    async def done(self, keys: Collection[str]) -> None:
        if self._away_after_handling:
            raise ConnectionError("away")
        self.notes.append(set(keys))
        await self.open.wait()

    async def release(self, claims: Mapping[str, Any]) -> None:
        self.released |= claims.keys()

    async def close(self) -> None: ...


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch) -> Callable[[Store], None]:
    """Has workers keep their inbox in a store of the test."""

    def use(store: Store) -> None:
        monkeypatch.setattr(src.inbox, "inbox_for", lambda _, nats: StoredInbox(store, InboxSettings(), nats).of)

    return use


def delivery_of(*running: Message, ack_wait: float = 30) -> Any:
    """What an inbox needs to know of a delivery that runs with messages."""
    known = Mock(handler="h", ack_wait=ack_wait)
    delivery = Mock(subscription=known, buffer=MessageBuffer(), finish=AsyncMock())
    delivery.buffer.running.update(running)
    return delivery


async def test_messages_of_a_stream_made_anew_are_others(run_worker: Any, jetstream: JetStreamContext) -> None:
    """Without a publisher's id they have the numbers of the old ones."""
    seen: list[int] = []

    async def handle(event: dict[str, int]) -> None:
        seen.append(event["n"])

    for number in (1, 2):
        async with run_worker(subscription(handle), DEDUP="nats-kv") as worker:
            stats = Counts(worker.runners[0])
            await jetstream.publish(SUBJECT, b'{"n": %d}' % number)
            await until(lambda: stats.handled or stats.duplicate, "the message to be settled")  # noqa: B023
        await jetstream.delete_stream("INTEGRATION")

    assert seen == [1, 2]


@pytest.mark.parametrize("headers", [None, {"Nats-Msg-Id": "evt_1"}], ids=["without an id", "with an id"])
def test_a_message_that_comes_back_is_the_same_to_the_inbox(headers: dict[str, str] | None) -> None:
    first = delivered(headers=headers)
    returned = Msg(
        _client=None,  # type: ignore[arg-type]
        subject="replay.billing.h",
        reply="$JS.ACK.DLQ.c.1.99.1.1700000009000000000.0",
        headers={
            "Dlq-Subject": first.subject,
            "Dlq-Stream": first.stream,
            "Dlq-Sequence": str(first.sequence),
            "Dlq-Stored-At": first.first_stored_at,
            "Dlq-Msg-Id": first.id,
        },
    )

    again = Message(returned, "h", None, replayed=True)  # type: ignore[arg-type]

    assert again.dedup_key == first.dedup_key
    assert (again.id, again.sequence) == (first.id, first.sequence)


async def test_a_worker_does_not_take_what_it_is_handling_itself(client: NatsClient) -> None:
    """Not even when the claim has ended, because the handler blocked the loop that would have renewed it."""
    first, again = delivered(), delivered()
    inbox: Any = inbox_for("nats-kv", client)(delivery_of(first, again, ack_wait=0.6))
    assert await inbox.claim(first) is Claim.TAKEN
    time.sleep(0.5)  # noqa: ASYNC251

    assert await inbox.claim(again) is Claim.HELD
    await inbox.release(first)
    assert await inbox.claim(again) is Claim.TAKEN
    await inbox.done(again)
    assert await inbox.claim(first) is Claim.DONE
    await inbox.close()


async def test_the_clock_of_a_worker_does_not_matter_to_its_claims(
    client: NatsClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker whose clock was an hour ahead and that was killed kept its messages from all others for that hour."""
    dead, alive = KvInbox(client, 60), KvInbox(client, 60)
    with monkeypatch.context() as ahead:
        real = time.time
        ahead.setattr(time, "time", lambda: real() + 3600)
        assert (await dead.claim({"evt_1": None}, 2))[0][0] is Claim.TAKEN

    async def taken() -> bool:
        return (await alive.claim({"evt_1": None}, 2))[0][0] is Claim.TAKEN

    assert not await taken()
    await until(taken, "the end of the claim", limit=30)


async def test_a_claim_that_may_have_ended_is_asked_for_again_before_the_handler_runs(
    run_worker: Any, jetstream: JetStreamContext, use: Callable[[Store], None]
) -> None:
    """The worker stood still while the answer was on its way, and another one has handled the message since."""
    store, seen = Store(), []
    answers = [(1.2, Claim.TAKEN), (0.0, Claim.DONE)]

    async def claim(claims: Mapping[str, Any], lease: float) -> list[tuple[Claim, Any]]:
        late, answer = answers.pop(0)
        await asyncio.sleep(late)
        return [(answer, None)]

    store.claim = claim  # type: ignore[method-assign]
    use(store)

    async def handle(event: dict[str, Any]) -> None:
        seen.append(event)

    async with run_worker(subscription(handle, ack_wait=1.5), DEDUP="nats-kv") as worker:
        await jetstream.publish(SUBJECT, b"{}")
        await until(lambda: Counts(worker.runners[0]).duplicate == 1, "the duplicate")

    assert not seen


async def test_the_claims_of_running_messages_are_renewed() -> None:
    store, message = Store(), delivered()
    inbox = StoredHandlerInbox(store, delivery_of(message, ack_wait=0.15), waits=True)
    await inbox.claim(message)
    message.started = 1
    await until(lambda: store.renewed >= 2, "the claim to be renewed again and again")

    await inbox.done(message)
    await until(lambda: store.notes, "the note")
    renewed = store.renewed
    await asyncio.sleep(0.2)
    await inbox.close()

    assert store.renewed == renewed


async def test_what_waits_is_claimed_and_noted_together_and_acked_only_after_its_note(
    run_worker: Any, jetstream: JetStreamContext, use: Callable[[Store], None]
) -> None:
    """With one handler at a time as well: the next message does not wait for the note of the last."""
    store, seen = Store(), []
    use(store)
    store.open.clear()
    begin = asyncio.Event()

    async def handle(event: dict[str, int]) -> None:
        await begin.wait()
        seen.append(event["n"])

    async with run_worker(subscription(handle), DEDUP="nats-kv") as worker:
        for number in range(50):
            await jetstream.publish(SUBJECT, b'{"n": %d}' % number)
        await until(lambda: Counts(worker.runners[0]).received == 50, "all to be buffered")
        begin.set()
        await until(lambda: len(seen) == 50, "all to be handled")
        info = await jetstream.consumer_info("INTEGRATION", "billing-tested")
        assert info.num_ack_pending == 50
        store.open.set()
        await until(lambda: _all_acked(jetstream), "the acks")

    assert seen == list(range(50))
    assert set().union(*store.notes) == set().union(*store.claims)
    assert len(set().union(*store.claims)) == 50
    assert len(store.claims) <= 20
    assert len(store.notes) <= 3


async def _all_acked(jetstream: JetStreamContext) -> bool:
    info = await jetstream.consumer_info("INTEGRATION", "billing-tested")
    return (info.num_ack_pending, info.num_pending) == (0, 0)


async def test_the_claims_of_what_waits_are_given_up_with_it(
    run_worker: Any, jetstream: JetStreamContext, use: Callable[[Store], None]
) -> None:
    """Other workers would have to wait for their end."""
    store = Store()
    use(store)
    first = asyncio.Event()

    async def handle(event: dict[str, int]) -> None:
        if event["n"]:
            await asyncio.sleep(3600)
        await first.wait()

    async with run_worker(subscription(handle), DEDUP="nats-kv", GRACEFUL_SHUTDOWN_TIMEOUT=0.1) as worker:
        for number in range(20):
            await jetstream.publish(SUBJECT, b'{"n": %d}' % number)
        await until(lambda: Counts(worker.runners[0]).received == 20, "all to be buffered")
        first.set()
        await until(lambda: len(set().union(*store.claims)) == 20, "the claims")

    (handled,) = store.notes
    assert store.released == set().union(*store.claims) - handled


async def test_a_second_copy_that_waits_is_not_handled(
    run_worker: Any, jetstream: JetStreamContext, use: Callable[[Store], None]
) -> None:
    """Both have been claimed by this worker before the first is handled."""
    seen: list[int] = []
    begin = asyncio.Event()

    async def handle(event: dict[str, int]) -> None:
        await begin.wait()
        seen.append(event["n"])

    await jetstream.add_stream(name="INTEGRATION", subjects=["integration.>"], duplicate_window=0.1)
    async with run_worker(subscription(handle), DEDUP="nats-kv") as worker:
        counts = Counts(worker.runners[0])
        for number, identity in enumerate(("other", "evt_1", "evt_1")):
            headers = {"Nats-Msg-Id": identity}
            while (await jetstream.publish(SUBJECT, b'{"n": %d}' % number, headers=headers)).duplicate:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        await until(lambda: counts.received == 3, "all to be buffered")
        begin.set()
        await until(lambda: counts.duplicate == 1, "the copy to be recognised")

    assert seen == [0, 1]


async def test_a_slow_store_does_not_keep_messages_from_being_kept_alive(
    run_worker: Any, jetstream: JetStreamContext, use: Callable[[Store], None]
) -> None:
    use(Store(renewing=1))
    finish = asyncio.Event()

    async def handle(event: dict[str, Any]) -> None:
        await finish.wait()

    async with run_worker(subscription(handle, ack_wait=3, concurrency=10), DEDUP="nats-kv") as worker:
        stats = Counts(worker.runners[0])
        for _ in range(10):
            await jetstream.publish(SUBJECT, b"{}")
        await until(lambda: worker.runners[0].in_flight == 10, "all to run")
        await asyncio.sleep(5)  # longer than ack_wait: the server would have delivered what it had not heard of
        finish.set()
        await until(lambda: stats.handled >= 10, "all to be handled")

    assert stats.received == 10


async def test_what_was_handled_is_not_given_back_when_the_worker_stops_before_the_store_is_back(
    run_worker: Any, jetstream: JetStreamContext, use: Callable[[Store], None]
) -> None:
    use(Store(away_after_handling=True))

    async def handle(event: dict[str, Any]) -> None: ...

    async with run_worker(subscription(handle), DEDUP="nats-kv", GRACEFUL_SHUTDOWN_TIMEOUT=0.3) as worker:
        await jetstream.publish(SUBJECT, b"{}")
        await until(lambda: "waiting for the inbox" in worker.runners[0].trouble, "the worker to wait for the store")

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
        stats = Counts(worker.runners[0])
        await jetstream.publish(SUBJECT, b"{}", headers={"Nats-Msg-Id": "evt_1"})
        await until(lambda: stats.dead_letters.total(), "the dead letter")
        inbox: Any = worker.runners[0].delivery._inbox

        assert (inbox._ahead, inbox._running, inbox._handled) == ({}, {}, {})
        ((claim, _),) = await inbox._store.claim({"tested:evt_1": None}, 1)
        assert claim is Claim.TAKEN


async def test_the_inbox_keeps_an_event_from_being_handled_twice(run_worker: Any, jetstream: JetStreamContext) -> None:
    seen: list[int] = []

    async def handle(event: dict[str, int]) -> None:
        seen.append(event["n"])

    # a window so short that the server soon takes the same id for a new message
    await jetstream.add_stream(name="INTEGRATION", subjects=["integration.>"], duplicate_window=0.1)
    async with run_worker(subscription(handle), DEDUP="nats-kv") as worker:
        await jetstream.publish(SUBJECT, b'{"n": 1}', headers={"Nats-Msg-Id": "evt_1"})
        await until(lambda: Counts(worker.runners[0]).handled == 1, "the first is handled")
        await until(lambda: _published_again(jetstream), "the server takes the id again")
        await until(lambda: Counts(worker.runners[0]).duplicate == 1, "the second is recognised")

    assert seen == [1]


async def _published_again(jetstream: JetStreamContext) -> bool:
    return not (await jetstream.publish(SUBJECT, b'{"n": 1}', headers={"Nats-Msg-Id": "evt_1"})).duplicate


def test_a_time_to_live_below_the_lease_of_a_handler_stops_the_start(
    service_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Defect B5: the store forgot claims while handlers ran, and two replicas handled one message."""
    monkeypatch.setenv("DEDUP_TTL", "2")
    worker = Worker(service_settings.model_copy(update={"DEDUP": "nats-kv"}))

    with pytest.raises(ConfigurationError, match="DEDUP_TTL is 2 s, and the handler tested needs at least 20 s"):
        worker.subscribe(subscription(idle))
    worker.subscribe(subscription(idle, ack_wait=3))


async def idle(event: dict[str, Any]) -> None:
    """A handler that does nothing."""


async def test_a_bucket_with_another_time_to_live_is_refused(
    run_worker: Any, jetstream: JetStreamContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Defect B5: a new value of `DEDUP_TTL` had no effect, in silence."""
    monkeypatch.setenv("DEDUP_TTL", "600")
    await jetstream.create_key_value(bucket="inbox_billing", ttl=3600)

    async with run_worker(subscription(idle), DEDUP="nats-kv") as worker:
        await jetstream.publish(SUBJECT, b"{}")
        await until(lambda: not worker.readiness().ready, "the trouble")
        reason = worker.readiness().reason

    assert "bucket inbox_billing keeps entries for 3600 s, and DEDUP_TTL is 600" in reason
    assert Counts(worker.runners[0]).handled == 0


async def test_a_claim_that_could_not_be_marked_is_not_remembered_for_ever(
    client: NatsClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Defect B16: with DEDUP_UNAVAILABLE=handle, each left its revision behind."""
    store, message = KvInbox(client, 60), delivered()
    inbox = StoredHandlerInbox(store, delivery_of(message), waits=False)
    assert await inbox.claim(message) is Claim.TAKEN
    assert len(inbox._running) == 1

    async def away(_: Collection[str]) -> None:
        raise ConnectionError("away")

    monkeypatch.setattr(store, "done", away)
    await inbox.done(message)
    await until(lambda: not inbox._handled, "the end of the attempt to note it")
    await inbox.close()

    assert (inbox._ahead, inbox._running) == ({}, {})


async def test_a_store_that_answers_late_once_does_not_make_a_quiet_worker_unready_for_long(
    run_worker: Any, jetstream: JetStreamContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Defect B10: it was unready until `ack_wait` was over, half a minute here."""
    claim, calls = KvInbox.claim, 0

    async def late_once(self: KvInbox, claims: Any, lease: float) -> Any:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise TimeoutError
        return await claim(self, claims, lease)

    monkeypatch.setattr(KvInbox, "claim", late_once)
    tested = subscription(idle, backoff=Backoff(initial=1, maximum=1, jitter=0))
    async with run_worker(tested, DEDUP="nats-kv") as worker:
        await jetstream.publish(SUBJECT, b"{}")
        await until(lambda: not worker.readiness().ready, "the trouble")
        await until(lambda: worker.readiness().ready, "the end of it", limit=30)
        await until(lambda: Counts(worker.runners[0]).handled == 1, "the message")


@pytest.mark.redis
async def test_of_many_claims_at_once_each_message_has_one_owner_also_after_redis_was_away(tmp_path: Path) -> None:
    keys = dict.fromkeys(f"evt_{number}" for number in range(1000))
    with RedisServer(tmp_path) as server:
        stores = [RedisInbox(server.url, "billing", 60) for _ in range(2)]

        async def claims(store: RedisInbox) -> list[Claim]:
            return [claim for claim, _ in await store.claim(keys, 60)]

        ours, theirs = await asyncio.gather(*(claims(store) for store in stores))
        assert all({one, other} == {Claim.TAKEN, Claim.HELD} for one, other in zip(ours, theirs, strict=True))
        owner, other = stores if ours[0] is Claim.TAKEN else reversed(stores)
        await other.release(keys)
        assert await claims(owner) == [Claim.TAKEN] * len(keys)
        await owner.release({"evt_0": None})
        assert await claims(other) == [Claim.TAKEN] + [Claim.HELD] * 999
        await owner.done(keys)
        assert await claims(other) == [Claim.DONE] * len(keys)

        await asyncio.to_thread(server.kill)
        with pytest.raises(RedisError):
            await owner.done(keys)
        await asyncio.to_thread(server.start)
        ((claim, _),) = await owner.claim({"another": None}, 60)
        assert claim is Claim.TAKEN
        for store in stores:
            await store.close()
