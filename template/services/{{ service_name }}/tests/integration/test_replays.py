"""What comes back to its handler: replayed dead letters and long delays, on a real NATS server."""

from __future__ import annotations

from typing import Any

from nats.js import JetStreamContext
from nats.js.errors import NotFoundError

from src.config import settings
from src.infrastructure.errors import Reject, Retry
from src.infrastructure.subscription import Backoff, Message, Subscription
from tests.integration.conftest import RunWorker, until

SUBJECT = "integration.order.created"
REPLAY = f"replay.{settings.SERVICE_NAME}.tested"


def subscription(function: Any, **options: Any) -> Subscription:
    options = {"backoff": Backoff(initial=0.02, maximum=0.05)} | options
    return Subscription(handler="tested", subject=SUBJECT, function=function, **options)


async def replay(jetstream: JetStreamContext) -> None:
    """Sends the only dead letter back to its handler, as `natsgen dlq replay` does."""
    letter = await jetstream.get_last_msg("DLQ", f"dlq.{settings.SERVICE_NAME}.tested")
    assert letter.headers is not None
    gone = {"Dlq-Reason", "Dlq-Error-Type", "Dlq-Error", "Dlq-Stack", "Dlq-Attempts", "Dlq-Failed-At", "Nats-Msg-Id"}
    headers = {name: value for name, value in letter.headers.items() if name not in gone}
    await jetstream.publish(REPLAY, letter.data or b"", headers=headers)
    assert letter.seq is not None
    await jetstream.delete_msg("DLQ", letter.seq)


async def empty(jetstream: JetStreamContext) -> bool:
    return (await jetstream.stream_info("DLQ")).state.messages == 0


async def test_a_replay_is_the_same_message_to_its_handler(run_worker: RunWorker, jetstream: JetStreamContext) -> None:
    seen: list[tuple[Any, ...]] = []

    async def handle(event: dict[str, int], message: Message) -> None:
        seen.append((event["n"], message.subject, message.id, message.stream, message.sequence, message.attempt))
        if len(seen) == 1:
            raise Reject("not yet")

    async with run_worker(subscription(handle)) as worker:
        stats = worker.runners[0].stats
        await jetstream.publish(SUBJECT, b'{"n": 1}', headers={"Nats-Msg-Id": "evt_1"})
        await until(lambda: stats.dead_letters["rejected"] == 1, "the event is given up")
        await replay(jetstream)
        await until(lambda: stats.handled == 1, "the replay is handled")
        await until(lambda: empty(jetstream), "nothing is left of it")

    assert seen == [(1, SUBJECT, "evt_1", "INTEGRATION", 1, 1)] * 2


async def test_a_replay_that_fails_again_is_a_dead_letter_again(
    run_worker: RunWorker, jetstream: JetStreamContext
) -> None:
    async def handle(event: dict[str, int]) -> None:
        raise RuntimeError("still not")

    async with run_worker(subscription(handle, max_attempts=2)) as worker:
        stats = worker.runners[0].stats
        await jetstream.publish(SUBJECT, b'{"n": 1}', headers={"Nats-Msg-Id": "evt_1"})
        await until(lambda: stats.dead_letters["exhausted"] == 1, "the event is given up")
        await replay(jetstream)
        await until(lambda: stats.dead_letters["exhausted"] == 2, "it is given up again")
        letter = await jetstream.get_last_msg("DLQ", f"dlq.{settings.SERVICE_NAME}.tested")
        await until(lambda: _only_one(jetstream), "the letter is all that is left")

    headers = letter.headers or {}
    assert (headers["Dlq-Msg-Id"], headers["Dlq-Subject"], headers["Dlq-Attempts"]) == ("evt_1", SUBJECT, "2")
    assert (headers["Dlq-Stream"], headers["Dlq-Sequence"]) == ("INTEGRATION", "1")


async def _only_one(jetstream: JetStreamContext) -> bool:
    return (await jetstream.stream_info("DLQ")).state.messages == 1


async def test_a_payload_that_fits_into_no_letter_comes_back_whole(
    run_worker: RunWorker, jetstream: JetStreamContext
) -> None:
    payload = b"x" * (jetstream._nc.max_payload - 200)
    sizes: list[int] = []

    async def handle(event: bytes) -> None:
        sizes.append(len(event))
        if len(sizes) < 3:
            raise Reject("not yet")

    async with run_worker(subscription(handle)) as worker:
        stats = worker.runners[0].stats
        await jetstream.publish(SUBJECT, payload)
        await until(lambda: stats.dead_letters["rejected"] == 1, "the event is given up")
        await replay(jetstream)
        await until(lambda: stats.dead_letters["rejected"] == 2, "the replay is given up")
        await replay(jetstream)
        await until(lambda: stats.handled == 1, "the second replay is handled")
        await until(lambda: empty(jetstream), "nothing is left of it")
        await until(lambda: _no_objects(jetstream), "nor of its payload")

    assert sizes == [len(payload)] * 3


async def _no_objects(jetstream: JetStreamContext) -> bool:
    try:
        return not await (await jetstream.object_store("dlq")).list(ignore_deletes=True)
    except NotFoundError:
        return True


async def test_a_long_delay_is_the_servers_and_holds_no_place(
    run_worker: RunWorker, jetstream: JetStreamContext
) -> None:
    seen: list[tuple[int, str, str, int]] = []

    async def handle(event: dict[str, int], message: Message) -> None:
        seen.append((event["n"], message.subject, message.id, message.attempt))
        if event["n"] == 0 and message.attempt < 3:
            raise Retry("later", after=1)

    tested = subscription(handle, schedule_above=0.5, max_ack_pending=1)
    async with run_worker(tested) as worker:
        stats = worker.runners[0].stats
        for number in range(5):
            await jetstream.publish(SUBJECT, b'{"n": %d}' % number, headers={"Nats-Msg-Id": f"evt_{number}"})
        await until(lambda: stats.handled == 5, "the last attempt succeeds")
        await until(lambda: empty(jetstream), "nothing is left of it")

    first, second, third = ((0, SUBJECT, "evt_0", attempt) for attempt in (1, 2, 3))
    assert seen == [first, *((number, SUBJECT, f"evt_{number}", 1) for number in range(1, 5)), second, third]
    assert (stats.scheduled, stats.retried) == (2, 2)


async def test_where_the_stream_takes_no_schedules_the_server_holds_the_message(
    run_worker: RunWorker, jetstream: JetStreamContext
) -> None:
    """As with servers before 2.12."""
    attempts: list[int] = []

    async def handle(_: dict[str, int], message: Message) -> None:
        attempts.append(message.attempt)
        if message.attempt == 1:
            raise Retry("later", after=1)

    async with run_worker(subscription(handle)):
        pass  # makes the streams and consumers
    await jetstream.delete_stream("DLQ")
    await jetstream.add_stream(name="DLQ", subjects=["dlq.>", "replay.>"])
    durable = f"{settings.SERVICE_NAME}-tested-replay"
    await jetstream.pull_subscribe(REPLAY, durable, "DLQ")

    async with run_worker(subscription(handle, schedule_above=0.5), STREAM_MODE="off") as worker:
        await jetstream.publish(SUBJECT, b"{}")
        await until(lambda: worker.runners[0].stats.handled == 1, "the second attempt succeeds")

    assert attempts == [1, 2]
    assert worker.runners[0].stats.scheduled == 0
