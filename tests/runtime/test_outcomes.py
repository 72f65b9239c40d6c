"""What becomes of a message, on a real server."""

from __future__ import annotations

import asyncio
from asyncio import CancelledError
from collections.abc import Callable
from typing import Any

import pytest
from nats.js import JetStreamContext
from nats.js.api import DiscardPolicy, RawStreamMsg, StreamConfig
from pydantic import SecretStr

from src.config import settings
from src.infrastructure.errors import Reject
from src.infrastructure.subscription import Backoff, Subscription
from tests.runtime.conftest import Counts, until

SUBJECT = "integration.order.created"
STREAM = "INTEGRATION"
SOON = Backoff(initial=0.02, maximum=0.05)


def subscription(function: Any, **options: Any) -> Subscription:
    return Subscription(handler="tested", subject=SUBJECT, function=function, **options)


async def dead_letter(jetstream: JetStreamContext) -> RawStreamMsg:
    return await jetstream.get_last_msg("DLQ", f"dlq.{settings.SERVICE_NAME}.tested")


async def test_an_event_is_handled_and_acknowledged(run_worker: Any, jetstream: JetStreamContext) -> None:
    seen: list[dict[str, Any]] = []

    async def handle(event: dict[str, Any]) -> None:
        seen.append(event)

    async with run_worker(subscription(handle)) as worker:
        await jetstream.publish(SUBJECT, b'{"n": 1}')
        await until(lambda: Counts(worker.runners[0]).handled == 1, "the event is handled")

    assert seen == [{"n": 1}]
    state = await jetstream.consumer_info(STREAM, f"{settings.SERVICE_NAME}-tested")
    assert (state.num_pending, state.num_ack_pending) == (0, 0)


@pytest.mark.parametrize(
    "error",
    [
        *(RuntimeError, SystemExit, KeyboardInterrupt, MemoryError, RecursionError, StopAsyncIteration, CancelledError),
        lambda text: BaseExceptionGroup(text, [SystemExit(0), GeneratorExit()]),
    ],
)
async def test_a_failing_event_is_retried(
    error: Callable[[str], BaseException], run_worker: Any, jetstream: JetStreamContext
) -> None:
    attempts: list[int] = []

    async def handle(event: dict[str, Any], message: Any) -> None:
        attempts.append(message.attempt)
        if len(attempts) < 3:
            raise error("not yet")

    async with run_worker(subscription(handle, backoff=SOON)) as worker:
        await jetstream.publish(SUBJECT, b"{}")
        await until(lambda: Counts(worker.runners[0]).handled == 1, "the third attempt succeeds")

    assert attempts == [1, 2, 3]


async def test_an_event_that_fails_every_time_is_a_dead_letter(run_worker: Any, jetstream: JetStreamContext) -> None:
    async def handle(event: dict[str, Any]) -> None:
        raise RuntimeError("never")

    async with run_worker(subscription(handle, max_attempts=2, backoff=SOON)) as worker:
        await jetstream.publish(SUBJECT, b'{"n": 1}', headers={"Tenant": "acme"})
        await until(lambda: Counts(worker.runners[0]).dead_letters["exhausted"] == 1, "the event is given up")
        letter = await dead_letter(jetstream)

    assert letter.data == b'{"n": 1}'
    assert letter.headers is not None
    assert letter.headers["Tenant"] == "acme"
    assert letter.headers["Dlq-Reason"] == "exhausted"
    assert letter.headers["Dlq-Error"] == "never"
    assert letter.headers["Dlq-Attempts"] == "2"


async def test_a_rejected_event_is_a_dead_letter_at_once(run_worker: Any, jetstream: JetStreamContext) -> None:
    async def handle(event: dict[str, Any]) -> None:
        raise Reject("unknown customer")

    async with run_worker(subscription(handle)) as worker:
        await jetstream.publish(SUBJECT, b"{}")
        await until(lambda: Counts(worker.runners[0]).dead_letters["rejected"] == 1, "the event is rejected")
        letter = await dead_letter(jetstream)

    assert letter.headers is not None
    assert (letter.headers["Dlq-Attempts"], letter.headers["Dlq-Error"]) == ("1", "unknown customer")


async def test_a_payload_that_is_not_what_the_handler_takes_is_a_dead_letter(
    run_worker: Any, jetstream: JetStreamContext
) -> None:
    async def handle(event: dict[str, Any]) -> None:
        raise AssertionError("not called")

    async with run_worker(subscription(handle)) as worker:
        await jetstream.publish(SUBJECT, b"no json")
        await until(lambda: Counts(worker.runners[0]).dead_letters["invalid"] == 1, "the event is refused")
        letter = await dead_letter(jetstream)

    assert letter.data == b"no json"


async def test_a_dead_letter_does_not_tell_the_services_secrets(run_worker: Any, jetstream: JetStreamContext) -> None:
    async def handle(event: dict[str, Any]) -> None:
        raise ConnectionError("cannot log in with opensesame")

    type(settings)(NATS_TOKEN=SecretStr("opensesame"))
    async with run_worker(subscription(handle, max_attempts=1)) as worker:
        await jetstream.publish(SUBJECT, b"{}")
        await until(lambda: Counts(worker.runners[0]).dead_letters, "the dead letter")
        headers = (await dead_letter(jetstream)).headers or {}

    assert headers["Dlq-Error"] == "cannot log in with [secret]"
    assert "[secret]" in headers["Dlq-Stack"]
    assert not any("opensesame" in value for value in headers.values())


@pytest.mark.parametrize("limits", [{"max_msgs": 1}, {"max_bytes": 1_000}, {"max_msg_size": 100}])
async def test_a_letter_that_its_stream_refuses_is_tried_again_and_not_the_handler(
    run_worker: Any, jetstream: JetStreamContext, limits: dict[str, int]
) -> None:
    calls: list[int] = []

    async def handle(number: int) -> None:
        calls.append(number)
        raise Reject("never")

    names: dict[str, Any] = {"name": "DLQ", "subjects": ["dlq.>", "replay.>"], "discard": DiscardPolicy.NEW}
    await jetstream.add_stream(StreamConfig(**names, **limits))
    await jetstream.publish("dlq.other.one", bytes(900 if "max_bytes" in limits else 1))
    async with run_worker(subscription(handle, ack_wait=1)) as worker:
        await jetstream.publish(SUBJECT, b"1")
        await until(lambda: worker.runners[0].delivery.dead_letters.unsaved, "a letter that is not stored")
        await asyncio.sleep(1.5)  # what is tested: longer than ack_wait, it is kept alive
        await jetstream.update_stream(StreamConfig(**names, max_msgs=-1, max_bytes=-1, max_msg_size=-1))
        await until(lambda: Counts(worker.runners[0]).dead_letters["rejected"] == 1, "the letter", limit=30)

    assert calls == [1]
    assert (await dead_letter(jetstream)).data == b"1"
