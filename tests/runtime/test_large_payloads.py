"""Letters of payloads that do not fit beside the reason: they point to the original, which is left where it is."""

from __future__ import annotations

from typing import Any

import pytest
from nats.js import JetStreamContext
from nats.js.api import RawStreamMsg, RetentionPolicy, StreamConfig

from src.config import settings
from src.infrastructure.dead_letters import DeadLetters
from src.infrastructure.errors import Reject
from src.infrastructure.subscription import Subscription
from tests.runtime.conftest import Counts, until

SUBJECT = "integration.order.created"
STREAM, DURABLE = "INTEGRATION", f"{settings.SERVICE_NAME}-tested"
WHOLE = bytes(range(250)) * 4_193  # what the server takes, and no room for the headers of a letter beside it


async def reject(event: bytes) -> None:
    raise Reject("never")


async def letter_of(jetstream: JetStreamContext) -> RawStreamMsg:
    return await jetstream.get_last_msg("DLQ", f"dlq.{settings.SERVICE_NAME}.tested")


@pytest.mark.parametrize("retention", [RetentionPolicy.LIMITS, RetentionPolicy.WORK_QUEUE])
async def test_the_letter_points_to_the_original_which_stays_where_it_is(
    run_worker: Any, jetstream: JetStreamContext, retention: RetentionPolicy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A work queue would delete what is settled."""
    await jetstream.add_stream(StreamConfig(name=STREAM, subjects=["integration.>"], retention=retention))
    published = await jetstream.publish(SUBJECT, WHOLE, headers={"Tenant": "acme"})
    async with run_worker(Subscription(handler="tested", subject=SUBJECT, function=reject)) as worker:
        counts = Counts(worker.runners[0])
        await until(lambda: counts.dead_letters["rejected"] == 1, "the letter")
        state = await jetstream.consumer_info(STREAM, DURABLE)

    letter = await letter_of(jetstream)
    headers = letter.headers or {}
    assert letter.data in (b"", None)
    assert headers["Dlq-Payload"] == "original"
    assert (headers["Dlq-Stream"], headers["Dlq-Sequence"]) == (STREAM, str(published.seq))
    assert (headers["Dlq-Reason"], headers["Tenant"]) == ("rejected", "acme")
    assert (await jetstream.get_msg(STREAM, int(headers["Dlq-Sequence"]))).data == WHOLE
    assert counts.dead_letters_without_payload == 1
    held = 1 if retention == RetentionPolicy.WORK_QUEUE else 0
    assert (state.num_pending, state.num_ack_pending) == (0, held), "a work queue holds it for a day"
    assert counts.received == 1


async def test_a_payload_that_fits_without_the_stack_is_in_its_letter(
    run_worker: Any, jetstream: JetStreamContext
) -> None:
    payload = WHOLE[: 1024 * 1024 - 3_000]

    async def handle(event: bytes) -> None:
        raise RuntimeError("x" * 2_000)

    async with run_worker(Subscription(handler="tested", subject=SUBJECT, function=handle, max_attempts=1)) as worker:
        await jetstream.publish(SUBJECT, payload)
        counts = Counts(worker.runners[0])
        await until(lambda: counts.dead_letters["exhausted"] == 1, "the letter")

    letter = await letter_of(jetstream)
    headers = letter.headers or {}
    assert letter.data == payload
    assert "Dlq-Stack" not in headers
    assert headers["Dlq-Error-Type"] == "RuntimeError"
    assert counts.dead_letters_without_payload == 0


async def test_a_letter_that_is_made_again_for_the_same_original_is_kept_once(
    run_worker: Any, jetstream: JetStreamContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A work queue's original comes again when its time is over."""
    monkeypatch.setattr(DeadLetters, "ORIGINAL_KEPT", 0.2)
    work_queue = StreamConfig(name=STREAM, subjects=["integration.>"], retention=RetentionPolicy.WORK_QUEUE)
    await jetstream.add_stream(work_queue)
    await jetstream.publish(SUBJECT, WHOLE)
    async with run_worker(Subscription(handler="tested", subject=SUBJECT, function=reject)) as worker:
        await until(lambda: Counts(worker.runners[0]).received >= 3, "it to come again")

    assert (await jetstream.stream_info("DLQ")).state.messages == 1


async def test_a_replay_whose_payload_does_not_fit_is_not_deleted(run_worker: Any, jetstream: JetStreamContext) -> None:
    """Nobody knows whether the original is still there."""
    moved = {"Dlq-Subject": SUBJECT, "Dlq-Stream": "GONE", "Dlq-Sequence": "7", "Dlq-Msg-Id": "evt_1"}
    payload = WHOLE[: 1024 * 1024 - 400]
    async with run_worker(Subscription(handler="tested", subject=SUBJECT, function=reject)) as worker:
        counts = Counts(worker.runners[0])
        replay = await jetstream.publish(f"replay.{settings.SERVICE_NAME}.tested", payload, headers=moved)
        await until(lambda: counts.dead_letters["rejected"] == 1, "the letter")

    assert counts.dead_letters_without_payload == 1
    assert (await jetstream.get_msg("DLQ", replay.seq)).data == payload
    assert (await letter_of(jetstream)).headers["Dlq-Stream"] == "GONE"  # type: ignore[index]
