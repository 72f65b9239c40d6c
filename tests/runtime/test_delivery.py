"""Which answer each outcome of a handler gets, and in which order things happen."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from nats.aio.msg import Msg
from nats.errors import TimeoutError as NatsTimeout
from nats.js import JetStreamContext

from src.batch import BatchDelivery
from src.infrastructure.dead_letters import DeadLetters, Reason
from src.infrastructure.delivery import Delivery
from src.infrastructure.errors import Reject, Retry
from src.infrastructure.message import Message
from src.infrastructure.publishing import publish_over
from src.infrastructure.subscription import Backoff, Subscription
from tests.runtime.conftest import Counts, RunWorker, until

BACKOFF = Backoff(initial=4, factor=2, maximum=60, jitter=0)


class Recorder:
    """Stands in for the server's side, which has no way to say in which order it was told things."""

    service = "billing"
    connected = True
    settings = SimpleNamespace(STREAM_MODE="off")  # the stream for dead letters is there

    def __init__(self, *, dead_letters_work: bool = True) -> None:
        self.said: list[str] = []
        self.dead_letters_work = dead_letters_work
        self.client = self
        self.max_payload = 1024 * 1024
        self.running = 0
        self.alone_lock = asyncio.Lock()

    def answer(self, reply: str, payload: bytes) -> None:
        self.said.append(payload.decode())

    async def answer_confirmed(self, reply: str, payload: bytes) -> None:
        self.said.append(f"{payload.decode()} confirmed")

    async def start(self, message: Message, most: int) -> Reason | None:
        message.attempt = min(message.deliveries, most)
        return Reason.CRASHED if message.deliveries > most else None

    async def uncount(self, message: Message) -> None: ...

    async def end(self, message: Message, *, handled: bool) -> None: ...

    async def publish(self, subject: str, data: bytes, headers: dict[str, str]) -> None:
        if not self.dead_letters_work:
            raise NatsTimeout
        self.said.append(f"dead letter {headers['Dlq-Reason']}")


@pytest.fixture(autouse=True)
def connected() -> Iterator[None]:
    """What `publish` in a handler of batches would go over."""
    publish_over(Recorder())  # type: ignore[arg-type]
    yield
    publish_over(None)


def delivery_of(subscription: Subscription, recorder: Recorder, kind: type[Delivery] = Delivery) -> Any:
    letters = DeadLetters(recorder)  # type: ignore[arg-type]
    return kind(subscription, recorder, letters, None)  # type: ignore[arg-type]


async def deliver(
    handler: Any,
    *,
    attempt: int = 1,
    data: bytes = b'{"n": 1}',
    recorder: Recorder | None = None,
    stopping: bool = False,
    **options: Any,
) -> tuple[list[str], Delivery]:
    recorder = recorder or Recorder()
    subscription = Subscription(handler="h", subject="a.b", function=handler, backoff=BACKOFF, **options)
    raw = Msg(_client=None, subject="a.b", reply=f"$JS.ACK.S.c.{attempt}.7.9.1700000000000000000.0", data=data)  # type: ignore[arg-type]
    message = Message(raw, "h", recorder)  # type: ignore[arg-type]
    delivery = delivery_of(subscription, recorder)
    delivery.stopping = stopping
    await delivery.deliver(message)
    return recorder.said, delivery


async def test_a_handler_that_returns_acknowledges() -> None:
    async def handle(event: dict[str, int]) -> None: ...

    said, delivery = await deliver(handle)

    assert said == ["+ACK"]
    assert Counts(delivery.metrics).handled == 1


@pytest.mark.parametrize(("attempt", "seconds"), [(1, 4), (2, 8), (3, 16)])
async def test_an_exception_is_retried_with_backoff(attempt: int, seconds: int) -> None:
    async def handle(event: dict[str, int]) -> None:
        raise RuntimeError("no")

    said, delivery = await deliver(handle, attempt=attempt)

    assert said == [f'-NAK {{"delay": {seconds * 10**9}}}']
    assert Counts(delivery.metrics).retried == 1
    assert delivery.last_error == "RuntimeError: no"


async def test_the_last_attempt_is_a_dead_letter_before_the_original_is_settled() -> None:
    async def handle(event: dict[str, int]) -> None:
        raise RuntimeError("no")

    said, delivery = await deliver(handle, attempt=5)

    assert said == ["dead letter exhausted", "+TERM exhausted"]
    assert Counts(delivery.metrics).dead_letters == {"exhausted": 1}


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


async def test_a_dead_letter_that_cannot_be_stored_is_tried_again_and_the_handler_is_not() -> None:
    """Defect B14: the handler ran again for as long as the stream DLQ could not be written."""
    calls: list[int] = []

    async def handle(event: dict[str, int]) -> None:
        calls.append(event["n"])
        raise Reject("never")

    recorder = Recorder(dead_letters_work=False)
    said, delivery = await deliver(handle, recorder=recorder)
    assert said == [], "the server is to think that it is being handled"
    assert len(delivery.dead_letters.unsaved) == 1
    assert Counts(delivery.metrics).dead_letters == {}

    recorder.dead_letters_work = True
    await until(lambda: said, "the letter")

    assert said == ["dead letter rejected", "+TERM rejected"]
    assert (calls, delivery.dead_letters.unsaved) == ([1], {})


async def test_what_waits_for_its_dead_letter_is_given_back_at_stop() -> None:
    async def handle(event: dict[str, int]) -> None:
        raise Reject("never")

    said, delivery = await deliver(handle, recorder=Recorder(dead_letters_work=False))
    await delivery.dead_letters.stop()

    assert said == ["-NAK"]


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


async def deliver_batch(
    handler: Any, payloads: list[bytes], attempt: int = 1, recorder: Recorder | None = None
) -> tuple[list[str], BatchDelivery]:
    recorder = recorder or Numbered()
    subscription = Subscription(handler="h", subject="a.b", function=handler, backoff=BACKOFF)
    delivery: BatchDelivery = delivery_of(subscription, recorder, BatchDelivery)
    await delivery.deliver_batch(batch_of(recorder, payloads, attempt))
    return recorder.said, delivery


async def test_a_batch_is_acknowledged_message_by_message() -> None:
    async def handle(events: list[dict[str, int]]) -> None:
        assert [event["n"] for event in events] == [0, 1, 2]

    said, delivery = await deliver_batch(handle, [b'{"n": 0}', b'{"n": 1}', b'{"n": 2}'])

    assert said == ["0 +ACK", "1 +ACK", "2 +ACK"]
    assert Counts(delivery.metrics).handled == 3


async def test_what_is_invalid_in_a_batch_does_not_reach_the_handler_nor_hold_up_the_rest() -> None:
    async def handle(events: list[dict[str, int]]) -> None:
        assert events == [{"n": 0}]

    said, _ = await deliver_batch(handle, [b"{", b'{"n": 0}'])

    assert said == ["dead letter invalid", "0 +TERM invalid", "1 +ACK"]


async def test_messages_that_another_task_took_are_no_empty_batch(
    run_worker: RunWorker, jetstream: JetStreamContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    deliver = BatchDelivery.deliver_batch

    async def noted(self: BatchDelivery, messages: Sequence[Message]) -> None:
        sizes.append(len(messages))
        await deliver(self, messages)

    async def handle(numbers: list[int]) -> None: ...

    monkeypatch.setattr(BatchDelivery, "deliver_batch", noted)
    async with run_worker(Subscription("tested", "orders.order.created", handle, concurrency=3, batch_wait=0.1)):
        for _ in range(3):
            await jetstream.publish("orders.order.created", b"1")
        await until(lambda: sum(sizes) == 3, "the messages are handled")
        await asyncio.sleep(0.2)  # twice as long as a batch waits

    assert 0 not in sizes


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

    said, delivery = await deliver_batch(handle, [b"{}", b"{}"], attempt=5)
    assert said == ["0 +ACK", "dead letter exhausted", "1 +TERM exhausted"]
    assert Counts(delivery.metrics).dead_letters == {"exhausted": 1}


async def test_a_message_of_a_batch_that_cannot_be_handled_costs_the_others_nothing() -> None:
    """Defect B9: all of a batch became dead letters, because one did."""
    numbers: list[int] = []

    async def handle(events: list[dict[str, int]]) -> None:
        if any(event["n"] == 50 for event in events):
            raise Reject("never")
        numbers.extend(event["n"] for event in events)

    said, delivery = await deliver_batch(handle, [b'{"n": %d}' % number for number in range(100)])

    assert [text for text in said if "ACK" not in text] == ["dead letter rejected", "50 +TERM rejected"]
    assert numbers == [number for number in range(100) if number != 50]
    assert Counts(delivery.metrics).dead_letters == {"rejected": 1}


async def test_an_exception_that_one_message_of_a_batch_causes_costs_the_others_no_attempt() -> None:
    """Defect B9 as well: of ten messages on their last attempt, one is given up."""

    async def handle(events: list[dict[str, int]]) -> None:
        if any(event["n"] == 3 for event in events):
            raise RuntimeError("no")

    said, _ = await deliver_batch(handle, [b'{"n": %d}' % number for number in range(10)], attempt=5)

    assert sorted(said) == sorted(
        ["dead letter exhausted", "3 +TERM exhausted", *(f"{number} +ACK" for number in range(10) if number != 3)]
    )


async def test_a_batch_of_which_the_last_had_to_be_put_off_is_in_trouble() -> None:
    class Away(Numbered):
        async def start(self, message: Message, most: int) -> Reason | None:
            if message.sequence == 1:
                raise NatsTimeout
            return None

    async def handle(events: list[dict[str, int]]) -> None: ...

    recorder = Away()
    said, delivery = await deliver_batch(handle, [b"{}", b"{}"], attempt=2, recorder=recorder)

    assert said == ['1 -NAK {"delay": 8000000000}', "0 +ACK"]
    assert "waiting for a store" in delivery.trouble

    await delivery.deliver_batch(batch_of(recorder, [b"{}"], attempt=2))

    assert delivery.trouble == ""
