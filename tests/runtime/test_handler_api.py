"""What a handler may be and what it is given."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import BaseModel

from src.config import settings
from src.domain.events import Event
from src.infrastructure.decoding import signature_of
from src.infrastructure.errors import ConfigurationError
from src.infrastructure.message import Message
from src.infrastructure.subscription import Backoff, Subscription, subscriber
from src.infrastructure.worker import Worker


class Order(BaseModel):
    number: int


EVENT = b'{"id":"e1","type":"t","timestamp":"2024-01-15T10:00:00Z","aggregateId":"a1","data":{"number":7}}'


async def takes_event(event: Event[Order]) -> None: ...
async def takes_event_and_message(event: Event[Order], message: Message) -> None: ...
async def takes_model(order: Order) -> None: ...
async def takes_dict(event: dict[str, Any]) -> None: ...
async def takes_plain_dict(event: dict) -> None: ...  # type: ignore[type-arg]
async def takes_str(text: str) -> None: ...
async def takes_bytes(payload: bytes) -> None: ...
async def takes_anything(event) -> None: ...  # type: ignore[no-untyped-def]
async def takes_nothing() -> None: ...
async def takes_three(event: str, message: Message, third: int) -> None: ...
async def takes_list(events: list[Event[Order]]) -> None: ...
def is_no_coroutine(event: str) -> None: ...


@pytest.mark.parametrize(
    ("function", "payload", "expected"),
    [
        (takes_model, b'{"number": 7}', Order(number=7)),
        (takes_dict, b'{"a": [1]}', {"a": [1]}),
        (takes_plain_dict, b'{"a": [1]}', {"a": [1]}),
        (takes_str, "h\u00e9".encode(), "h\u00e9"),
        (takes_bytes, b"\xff\x00", b"\xff\x00"),
        (takes_anything, b'{"a": 1}', {"a": 1}),
        (takes_anything, b"plain text", "plain text"),
        (takes_anything, b"\xff\xfe", b"\xff\xfe"),
    ],
)
def test_the_annotation_decides_what_the_handler_gets(function: Any, payload: bytes, expected: object) -> None:
    assert signature_of(function).decode(payload, {}) == expected


def test_an_event_is_validated_with_its_data() -> None:
    event = signature_of(takes_event).decode(EVENT, {})

    assert event.data == Order(number=7)
    assert (event.id, event.aggregate_id) == ("e1", "a1")
    assert event.timestamp == datetime(2024, 1, 15, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("function", "payload"),
    [
        (takes_event, b'{"id": "e1"}'),
        (takes_event, EVENT.replace(b"7", b'"seven"')),
        (takes_model, b"[]"),
        (takes_dict, b"[1]"),
        (takes_dict, b"{"),
        (takes_str, b"\xff"),
    ],
)
def test_a_payload_that_does_not_fit_is_a_value_error(function: Any, payload: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        signature_of(function).decode(payload, {})


def test_a_list_is_a_batch_of_what_is_in_it() -> None:
    signature = signature_of(takes_list)

    assert signature.takes_list
    assert signature.decode(EVENT, {}).data == Order(number=7)


def test_the_message_may_be_left_out() -> None:
    assert not signature_of(takes_event).takes_message
    assert signature_of(takes_event_and_message).takes_message


@pytest.mark.parametrize(
    ("function", "says"),
    [
        (takes_nothing, "takes_nothing takes nothing; a handler takes event"),
        (takes_three, "takes_three takes event, message, third; a handler takes event"),
        (is_no_coroutine, "write it as `async def`"),
    ],
)
def test_a_function_that_cannot_be_a_handler_is_refused(function: Any, says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        Worker(settings).subscribe(Subscription(handler="h", subject="a.b.c", function=function))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"concurrency": 0}, "concurrency is 0"),
        ({"prefetch": 0}, "prefetch is 0"),
        ({"max_attempts": 0}, "max_attempts is 0"),
        ({"ack_wait": 0.1}, "ack_wait is 0.1"),
        ({"concurrency": "2"}, "concurrency is '2'"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"batch_wait": -1}, "batch_wait is -1"),
        ({"durable": "a.b"}, "durable is 'a.b'"),
        ({"stream": "a b"}, "stream is 'a b'"),
        ({"backoff": Backoff(initial=0)}, "backoff.initial is 0"),
        ({"backoff": Backoff(maximum=0)}, "backoff.maximum is 0"),
        ({"timeout": 0}, "timeout is 0"),
        ({"decoder": "avro"}, "decoder is 'avro'"),
        ({"concurency": 2}, "unknown option concurency; use one of durable"),
    ],
)
def test_an_option_that_does_not_fit_is_refused(options: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        subscriber("a.b.c", **options)(takes_event)


@pytest.mark.parametrize("subject", ["", "a..b", "a.>.b", "a b", "a.*b", ".a"])
def test_a_subject_that_is_none_is_refused(subject: str) -> None:
    with pytest.raises(ConfigurationError, match="subject is"):
        subscriber(subject)(takes_event)


def test_the_decorator_returns_the_function_as_it_is() -> None:
    async def handle_something(event: str) -> None: ...

    assert subscriber("a.b.c")(handle_something) is handle_something


def test_delays_grow_up_to_the_maximum_with_jitter() -> None:
    backoff = Backoff(initial=1, factor=2, maximum=10, jitter=0.2)

    for attempt, middle in [(1, 1), (2, 2), (3, 4), (4, 8), (5, 10), (10_000, 10)]:
        delays = {backoff.delay(attempt) for _ in range(50)}
        assert 0.8 * middle <= min(delays) <= max(delays) <= 1.2 * middle
        assert len(delays) > 1


def test_an_event_on_the_wire_has_the_names_that_others_read() -> None:
    event = Event[Order].new("orders.order.created", "a1", Order(number=7))

    assert list(event.model_dump(by_alias=True)) == ["id", "type", "timestamp", "aggregateId", "data"]
    assert signature_of(takes_event).decode(event.model_dump_json(by_alias=True).encode(), {}) == event
