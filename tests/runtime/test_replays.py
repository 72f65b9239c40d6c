"""Dead letters that come back to their handler, on a real server."""

from __future__ import annotations

from typing import Any

from nats.js import JetStreamContext

from src.config import settings
from src.infrastructure.errors import Reject
from src.infrastructure.subscription import Backoff, Message, Subscription
from tests.runtime.conftest import Counts, until

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


async def test_a_replay_is_the_same_message_to_its_handler(run_worker: Any, jetstream: JetStreamContext) -> None:
    seen: list[tuple[Any, ...]] = []

    async def handle(event: dict[str, int], message: Message) -> None:
        seen.append((event["n"], message.subject, message.id, message.stream, message.sequence, message.attempt))
        if len(seen) == 1:
            raise Reject("not yet")

    async with run_worker(subscription(handle)) as worker:
        stats = Counts(worker.runners[0])
        await jetstream.publish(SUBJECT, b'{"n": 1}', headers={"Nats-Msg-Id": "evt_1"})
        await until(lambda: stats.dead_letters["rejected"] == 1, "the event is given up")
        await replay(jetstream)
        await until(lambda: stats.handled == 1, "the replay is handled")
        await until(lambda: empty(jetstream), "nothing is left of it")

    assert seen == [(1, SUBJECT, "evt_1", "INTEGRATION", 1, 1)] * 2


async def test_a_replay_that_fails_again_is_a_dead_letter_again(run_worker: Any, jetstream: JetStreamContext) -> None:
    async def handle(event: dict[str, int]) -> None:
        raise RuntimeError("still not")

    async with run_worker(subscription(handle, max_attempts=2)) as worker:
        stats = Counts(worker.runners[0])
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
