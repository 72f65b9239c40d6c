"""Which answer each outcome of a handler gets, and in which order things happen."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from nats.aio.msg import Msg
from nats.errors import TimeoutError as NatsTimeout

from src.infrastructure.dead_letters import Reason
from src.infrastructure.delivery import Delivery
from src.infrastructure.errors import Reject, Retry
from src.infrastructure.handling.backoff import Backoff
from src.infrastructure.message import Message
from src.infrastructure.subscription import Subscription
from src.infrastructure.watching.stats import HandlerStats

BACKOFF = Backoff(initial=4, factor=2, maximum=60, jitter=0)


class Recorder:
    """Stands in for the server's side, which has no way to say in which order it was told things."""

    service = "billing"

    def __init__(self, *, dead_letters_work: bool = True, schedules: bool = True) -> None:
        self.said: list[str] = []
        self._dead_letters_work = dead_letters_work
        self._schedules = schedules

    def answer(self, reply: str, payload: bytes) -> None:
        self.said.append(payload.decode())

    async def answer_confirmed(self, reply: str, payload: bytes) -> None:
        self.said.append(f"{payload.decode()} confirmed")

    def is_first(self, message: Message, most: int) -> bool:
        return False

    async def start(self, message: Message, most: int) -> int:
        return message.deliveries

    async def take_back(self, message: Message) -> None: ...

    async def note_answer(self, message: Message) -> None: ...

    async def was_answered(self, message: Message, attempt: int) -> bool:
        return False

    async def schedule(self, message: Message, delay: float) -> bool:
        if self._schedules:
            self.said.append(f"scheduled in {delay:g} s")
        return self._schedules

    async def publish(self, message: Message, reason: Reason, error: BaseException | None) -> None:
        if not self._dead_letters_work:
            raise NatsTimeout
        self.said.append(f"dead letter {reason.value}")


def delivery_of(subscription: Subscription, recorder: Recorder, stats: HandlerStats) -> Delivery:
    return Delivery(subscription, recorder, recorder, None, recorder, None, stats)  # type: ignore[arg-type]


async def deliver(
    handler: Any,
    *,
    attempt: int = 1,
    data: bytes = b'{"n": 1}',
    recorder: Recorder | None = None,
    stopping: bool = False,
    **options: Any,
) -> tuple[list[str], HandlerStats]:
    recorder = recorder or Recorder()
    stats = HandlerStats()
    subscription = Subscription(handler="h", subject="a.b", function=handler, backoff=BACKOFF, **options)
    raw = Msg(_client=None, subject="a.b", reply=f"$JS.ACK.S.c.{attempt}.7.9.1700000000000000000.0", data=data)  # type: ignore[arg-type]
    message = Message(raw, "h", recorder)  # type: ignore[arg-type]
    delivery = delivery_of(subscription, recorder, stats)
    if stopping:
        delivery.stop()
    await delivery.deliver(message)
    return recorder.said, stats


async def test_a_handler_that_returns_acknowledges() -> None:
    async def handle(event: dict[str, int]) -> None: ...

    said, stats = await deliver(handle)

    assert said == ["+ACK"]
    assert stats.handled == 1


@pytest.mark.parametrize(("attempt", "seconds"), [(1, 4), (2, 8), (3, 16)])
async def test_an_exception_is_retried_with_backoff(attempt: int, seconds: int) -> None:
    async def handle(event: dict[str, int]) -> None:
        raise RuntimeError("no")

    said, stats = await deliver(handle, attempt=attempt)

    assert said == [f'-NAK {{"delay": {seconds * 10**9}}}']
    assert stats.retried == 1
    assert stats.last_error is not None
    assert stats.last_error["message"] == "no"


async def test_the_last_attempt_is_a_dead_letter_before_the_original_is_settled() -> None:
    async def handle(event: dict[str, int]) -> None:
        raise RuntimeError("no")

    said, stats = await deliver(handle, attempt=5)

    assert said == ["dead letter exhausted", "+TERM exhausted"]
    assert stats.dead_letters == {"exhausted": 1}


async def test_retry_chooses_the_delay() -> None:
    async def handle(event: dict[str, int]) -> None:
        raise Retry("busy", after=2.5)

    assert (await deliver(handle))[0] == ['-NAK {"delay": 2500000000}']


async def test_retry_on_the_last_attempt_is_a_dead_letter() -> None:
    async def handle(event: dict[str, int]) -> None:
        raise Retry("busy", after=2.5)

    assert (await deliver(handle, attempt=5))[0] == ["dead letter exhausted", "+TERM exhausted"]


async def test_reject_is_a_dead_letter_at_once() -> None:
    async def handle(event: dict[str, int]) -> None:
        raise Reject("never")

    assert (await deliver(handle))[0] == ["dead letter rejected", "+TERM rejected"]


async def test_an_invalid_payload_is_a_dead_letter_and_never_reaches_the_handler() -> None:
    async def handle(event: dict[str, int]) -> None:
        pytest.fail("called")

    assert (await deliver(handle, data=b"{"))[0] == ["dead letter invalid", "+TERM invalid"]


async def test_more_deliveries_than_attempts_are_a_dead_letter_before_the_handler_runs() -> None:
    async def handle(event: dict[str, int]) -> None:
        pytest.fail("called")

    assert (await deliver(handle, attempt=6))[0] == ["dead letter crashed", "+TERM crashed"]


async def test_a_dead_letter_that_cannot_be_kept_is_tried_again_later() -> None:
    async def handle(event: dict[str, int]) -> None:
        raise Reject("never")

    said, stats = await deliver(handle, recorder=Recorder(dead_letters_work=False))

    assert said == ['-NAK {"delay": 4000000000}']
    assert stats.dead_letters == {}


async def test_what_the_handler_settles_is_left_alone() -> None:
    async def acks(event: dict[str, int], message: Message) -> None:
        await message.ack()

    async def naks(event: dict[str, int], message: Message) -> None:
        await message.nak(3)

    async def terminates(event: dict[str, int], message: Message) -> None:
        await message.term("enough")

    async def acks_and_fails(event: dict[str, int], message: Message) -> None:
        await message.ack()
        raise RuntimeError("late")

    assert (await deliver(acks))[0] == ["+ACK"]
    assert (await deliver(naks))[0] == ['-NAK {"delay": 3000000000}']
    assert (await deliver(terminates))[0] == ["+TERM enough"]
    assert (await deliver(acks_and_fails))[0] == ["+ACK"]


async def test_a_handler_may_say_that_it_is_still_at_work() -> None:
    async def handle(event: dict[str, int], message: Message) -> None:
        await message.in_progress()

    assert (await deliver(handle))[0] == ["+WPI", "+ACK"]


async def test_a_cancellation_inside_the_handler_is_a_failure_like_any_other() -> None:
    async def handle(event: dict[str, int]) -> None:
        task = asyncio.create_task(asyncio.sleep(60))
        task.cancel()
        await task

    assert (await deliver(handle))[0] == ['-NAK {"delay": 4000000000}']


async def test_a_cancelled_worker_leaves_the_message_unsettled() -> None:
    async def handle(event: dict[str, int]) -> None:
        await asyncio.sleep(60)

    recorder = Recorder()
    task = asyncio.create_task(deliver(handle, recorder=recorder, stopping=True))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert recorder.said == []


class Numbered(Recorder):
    """Says which of a batch's messages is meant."""

    def answer(self, reply: str, payload: bytes) -> None:
        self.said.append(f"{reply.split('.')[5]} {payload.decode()}")


def batch_of(recorder: Recorder, payloads: list[bytes], attempt: int = 1) -> list[Message]:
    messages = []
    for sequence, data in enumerate(payloads):
        reply = f"$JS.ACK.S.c.{attempt}.{sequence}.9.1700000000000000000.0"
        messages.append(Message(Msg(_client=None, subject="a.b", reply=reply, data=data), "h", recorder))  # type: ignore[arg-type]
    return messages


async def deliver_batch(handler: Any, payloads: list[bytes], attempt: int = 1) -> tuple[list[str], HandlerStats]:
    recorder, stats = Numbered(), HandlerStats()
    subscription = Subscription(handler="h", subject="a.b", function=handler, backoff=BACKOFF)
    await delivery_of(subscription, recorder, stats).deliver_batch(batch_of(recorder, payloads, attempt))
    return recorder.said, stats


async def test_a_batch_is_acknowledged_message_by_message() -> None:
    async def handle(events: list[dict[str, int]]) -> None:
        assert [event["n"] for event in events] == [0, 1, 2]

    said, stats = await deliver_batch(handle, [b'{"n": 0}', b'{"n": 1}', b'{"n": 2}'])

    assert said == ["0 +ACK", "1 +ACK", "2 +ACK"]
    assert stats.handled == 3


async def test_what_is_invalid_in_a_batch_does_not_reach_the_handler_nor_hold_up_the_rest() -> None:
    async def handle(events: list[dict[str, int]]) -> None:
        assert events == [{"n": 0}]

    said, _ = await deliver_batch(handle, [b"{", b'{"n": 0}'])

    assert said == ["dead letter invalid", "0 +TERM invalid", "1 +ACK"]


async def test_a_batch_handler_may_settle_some_of_its_messages() -> None:
    async def handle(events: list[dict[str, int]], messages: list[Message]) -> None:
        await messages[1].nak(3)

    said, _ = await deliver_batch(handle, [b"{}", b"{}", b"{}"])

    assert said == ['1 -NAK {"delay": 3000000000}', "0 +ACK", "2 +ACK"]


async def test_a_batch_that_fails_is_retried_or_given_up_message_by_message() -> None:
    async def handle(events: list[dict[str, int]], messages: list[Message]) -> None:
        await messages[0].ack()
        raise RuntimeError("no")

    said, _ = await deliver_batch(handle, [b"{}", b"{}"])
    assert said == ["0 +ACK", '1 -NAK {"delay": 4000000000}']

    said, stats = await deliver_batch(handle, [b"{}", b"{}"], attempt=5)
    assert said == ["0 +ACK", "dead letter exhausted", "1 +TERM exhausted"]
    assert stats.dead_letters == {"exhausted": 1}


async def test_a_batch_of_which_the_last_had_to_be_put_off_is_in_trouble() -> None:
    class Away(Numbered):
        async def start(self, message: Message, most: int) -> int:
            if message.sequence == 1:
                raise NatsTimeout
            return 1

    async def handle(events: list[dict[str, int]]) -> None: ...

    recorder = Away()
    subscription = Subscription(handler="h", subject="a.b", function=handle, backoff=BACKOFF)
    delivery = delivery_of(subscription, recorder, HandlerStats())
    await delivery.deliver_batch(batch_of(recorder, [b"{}", b"{}"]))

    assert recorder.said == ['1 -NAK {"delay": 4000000000}', "0 +ACK"]
    assert "waiting for what it needs" in delivery.trouble

    await delivery.deliver_batch(batch_of(recorder, [b"{}"]))

    assert delivery.trouble == ""
