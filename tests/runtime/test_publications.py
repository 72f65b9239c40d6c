"""Nothing that a handler publishes is lost or piles up, also where no message is the current one."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from nats.js import JetStreamContext
from nats.js.api import RawStreamMsg

from src.config import settings
from src.domain.events import Event
from src.infrastructure.errors import TooLarge
from src.infrastructure.message import Message
from src.infrastructure.publishing import publish
from src.infrastructure.subscription import Backoff, Subscription
from tests.runtime.conftest import Counts, until

SUBJECT = "integration.order.created"
HANDLED = "integration.order.handled"
RESULT = "results.invoice.written"
TOO_LARGE = bytes(2_000_000)  # fails at once
SOON = Backoff(initial=0.02, maximum=0.05)


def subscription(function: Any, **options: Any) -> Subscription:
    return Subscription(handler="tested", subject=SUBJECT, function=function, backoff=SOON, **options)


@pytest.fixture
async def results(jetstream: JetStreamContext) -> JetStreamContext:
    """A stream for what handlers publish."""
    await jetstream.add_stream(name="RESULTS", subjects=["results.>"])
    return jetstream


async def stored(jetstream: JetStreamContext, count: int) -> list[RawStreamMsg]:
    """Everything in the stream RESULTS, which has to be `count` messages."""
    assert (await jetstream.stream_info("RESULTS")).state.messages == count
    return [await jetstream.get_msg("RESULTS", sequence) for sequence in range(1, count + 1)]


async def test_what_a_handler_publishes_tells_what_it_follows_from(run_worker: Any, results: JetStreamContext) -> None:
    async def handle(event: dict[str, Any], message: Message) -> None:
        await message.publish(RESULT, {"n": event["n"]})

    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    given = {"Nats-Msg-Id": "evt_1", "Correlation-Id": "corr_1", "Causation-Id": "evt_0", "traceparent": trace}
    async with run_worker(subscription(handle)) as worker:
        await results.publish(SUBJECT, b'{"n": 1}', headers=given)
        await until(lambda: Counts(worker.runners[0]).handled == 1, "the event is handled")

    (result,) = await stored(results, 1)
    headers = result.headers or {}
    assert result.data == b'{"n":1}'
    assert headers["Nats-Msg-Id"]
    assert (headers["Correlation-Id"], headers["Causation-Id"], headers["traceparent"]) == ("corr_1", "evt_1", trace)


async def test_a_handler_that_is_tried_again_publishes_nothing_twice(
    run_worker: Any, results: JetStreamContext
) -> None:
    made: list[str] = []

    async def handle(_: dict[str, Any], message: Message) -> None:
        written = Event.new(RESULT, "invoice_1", {"total": 1})
        made.append(written.id)
        await message.publish(RESULT, written)
        await publish(RESULT, {"total": 2})  # finds the message by itself
        await message.publish(RESULT, b"the same")
        await message.publish(RESULT, b"the same")  # meant: it is another one
        if message.attempt < 3:
            raise RuntimeError("after it had published")

    async with run_worker(subscription(handle)) as worker:
        await results.publish(SUBJECT, b"{}")
        await until(lambda: Counts(worker.runners[0]).handled == 1, "the third attempt succeeds")

    assert len(made) == 3
    assert len(set(made)) == 1
    messages = await stored(results, 4)
    assert (messages[0].headers or {})["Nats-Msg-Id"] == made[0]


async def test_an_event_on_two_subjects_of_a_stream_is_two_messages(run_worker: Any, results: JetStreamContext) -> None:
    async def handle(_: dict[str, Any], message: Message) -> None:
        written = Event.new(RESULT, "invoice_1", {"total": 1})
        await message.publish("results.audit", written)
        await message.publish(RESULT, written)

    async with run_worker(subscription(handle)) as worker:
        await results.publish(SUBJECT, b"{}")
        await until(lambda: Counts(worker.runners[0]).handled == 1, "the event is handled")

    await stored(results, 2)


async def test_an_event_is_acknowledged_after_everything_it_published(
    run_worker: Any, jetstream: JetStreamContext
) -> None:
    """Nobody awaits the publication, and it cannot be made: the attempt has failed."""

    async def handle(_: dict[str, Any], message: Message) -> None:
        message.publish(RESULT, TOO_LARGE)

    async with run_worker(subscription(handle, max_attempts=2)) as worker:
        await jetstream.publish(SUBJECT, b"{}")
        await until(lambda: Counts(worker.runners[0]).dead_letters["exhausted"] == 1, "the event is given up")
        letter = await jetstream.get_last_msg("DLQ", f"dlq.{settings.SERVICE_NAME}.tested")

    assert (letter.headers or {})["Dlq-Error-Type"] == "TooLarge"


async def test_a_handler_may_deal_with_a_failed_publication_itself(run_worker: Any, results: JetStreamContext) -> None:
    async def handle(_: dict[str, Any], message: Message) -> None:
        try:
            await message.publish(RESULT, TOO_LARGE)
        except TooLarge:
            await message.publish(RESULT, {"n": 1})

    async with run_worker(subscription(handle)) as worker:
        await results.publish(SUBJECT, b"{}")
        await until(lambda: Counts(worker.runners[0]).handled == 1, "the event is handled")

    assert Counts(worker.runners[0]).retried == 0
    await stored(results, 1)


async def test_many_publications_are_on_their_way_together(run_worker: Any, results: JetStreamContext) -> None:
    async def handle(_: dict[str, Any], message: Message) -> None:
        await asyncio.gather(*(message.publish(RESULT, {"n": number}) for number in range(100)))

    async with run_worker(subscription(handle)) as worker:
        await results.publish(SUBJECT, b"{}")
        await until(lambda: Counts(worker.runners[0]).handled == 1, "the event is handled")

    await stored(results, 100)


async def test_a_stream_that_is_away_for_a_moment_costs_no_attempt(
    run_worker: Any, jetstream: JetStreamContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As while a cluster finds a leader for it. The subject is declared, so that the stream was there at start."""
    published = asyncio.Event()

    async def handle(_: dict[str, Any], message: Message) -> None:
        publication = message.publish(RESULT, {"n": 1})
        published.set()
        await publication

    monkeypatch.setattr("src.infrastructure.publishing.declared", {RESULT})
    monkeypatch.setattr("src.infrastructure.worker.declared", {RESULT})
    await jetstream.add_stream(name="RESULTS", subjects=["results.>"])
    async with run_worker(subscription(handle)) as worker:
        await jetstream.delete_stream("RESULTS")
        await jetstream.publish(SUBJECT, b"{}")
        await published.wait()
        await asyncio.sleep(1)  # longer than the first attempts to publish
        await jetstream.add_stream(name="RESULTS", subjects=["results.>"])
        await until(lambda: Counts(worker.runners[0]).handled == 1, "the event is handled")

    assert Counts(worker.runners[0]).retried == 0
    await stored(jetstream, 1)


async def test_a_batch_is_not_handled_before_what_it_published_is_confirmed(
    run_worker: Any, jetstream: JetStreamContext
) -> None:
    runs: list[int] = []

    async def handle(events: list[dict[str, Any]]) -> None:
        runs.append(len(events))
        publish(HANDLED, TOO_LARGE if len(runs) == 1 else b"{}")  # and not awaited

    async with run_worker(subscription(handle)) as worker:
        stats = Counts(worker.runners[0])
        await jetstream.publish(SUBJECT, b"{}")
        await until(lambda: stats.handled, "the second attempt")

    assert (len(runs), stats.retried) == (2, 1)


async def test_what_a_task_of_the_handler_publishes_meanwhile_is_waited_for_too(
    run_worker: Any, jetstream: JetStreamContext
) -> None:
    tasks: set[asyncio.Task[None]] = set()
    attempts: list[int] = []

    async def handle(event: dict[str, Any], message: Message) -> None:
        attempts.append(message.attempt)
        first = message.publish(HANDLED, {"n": 1})

        async def follow() -> None:
            await first
            publish(HANDLED, TOO_LARGE if message.attempt == 1 else b"{}")

        tasks.add(asyncio.create_task(follow()))
        await asyncio.sleep(0)

    async with run_worker(subscription(handle)) as worker:
        await jetstream.publish(SUBJECT, b"{}")
        await until(lambda: Counts(worker.runners[0]).handled, "the message")

    assert attempts == [1, 2]


async def test_what_is_confirmed_is_not_kept(run_worker: Any, jetstream: JetStreamContext) -> None:
    """A task that outlives its handler may publish for as long as the process lives."""
    messages: list[Message] = []

    async def handle(event: dict[str, Any], message: Message) -> None:
        messages.append(message)

    async with run_worker(subscription(handle)) as worker:
        await jetstream.add_stream(name="ELSEWHERE", subjects=["elsewhere.>"])
        await jetstream.publish(SUBJECT, b"{}")
        await until(lambda: Counts(worker.runners[0]).handled, "the message")
        for number in range(10):
            await messages[0].publish("elsewhere.to", {"n": number})

    assert messages[0].unconfirmed == set()
