"""What travels around data: each envelope is read as it is sent, and CloudEvents as their specification has them."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nats.aio.client import Client
from nats.aio.msg import Msg
from pydantic import BaseModel, ValidationError

from src.config import settings
from src.domain.cloud_events import CloudEvent, attributes_in, header_of
from src.domain.events import Envelope, Event
from src.domain.messages import EnvelopeMessage
from src.infrastructure.message import Message
from src.infrastructure.publishing import id_of, wire

SUBJECT = "orders.order.created"
REQUIRED = {"specversion": "1.0", "id": "1", "source": "/shop", "type": SUBJECT}


class Order(BaseModel):
    number: int
    note: str = ""


def sent(envelope: Envelope) -> tuple[bytes, dict[str, str]]:
    return wire(envelope)  # type: ignore[arg-type]


def in_binary(data: bytes, **attributes: str) -> CloudEvent[Any]:
    headers = {f"ce-{name}": value for name, value in (REQUIRED | attributes).items()}
    return CloudEvent[Any].read(data, headers)


def new_cloud_event() -> CloudEvent[Order]:
    return CloudEvent.new(SUBJECT, Order(number=1), subject="o-1", partitionkey="k")


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (lambda: Event.new(SUBJECT, "o-1", Order(number=1)), Event[Order]),
        (lambda: EnvelopeMessage.new(Order(number=1), sequence=7), EnvelopeMessage[Order]),
        (new_cloud_event, CloudEvent[Order]),
        (lambda: new_cloud_event().binary(), CloudEvent[Order]),
    ],
    ids=["domain", "message", "structured", "binary"],
)
def test_what_is_sent_is_read_again(make: Callable[[], Envelope], kind: type[Envelope]) -> None:
    made = make()
    read = kind.read(*sent(made))

    event = getattr(made, "event", made)
    assert read.model_dump() == event.model_dump()
    assert read.data == Order(number=1)  # type: ignore[attr-defined]
    assert read.identity() == made.identity()
    assert 0 <= (read.age() or 0) < 60


def test_message_format_has_the_fields_of_the_reference() -> None:
    message = EnvelopeMessage.new({"event_type": "user.login", "value": 73}, sequence=42, source="python-publisher")

    document = json.loads(message.wire().payload)

    assert list(document) == ["message_id", "timestamp", "source", "sequence", "data"]
    assert document["message_id"].startswith("python-publisher-42-")
    assert document["timestamp"].endswith("Z")
    assert (document["source"], document["sequence"]) == ("python-publisher", 42)
    assert document["data"] == {"event_type": "user.login", "value": 73}


def test_messages_that_nobody_counts_are_counted_and_named_after_the_host() -> None:
    first, second = EnvelopeMessage.new({}), EnvelopeMessage.new({})

    assert second.sequence == first.sequence + 1
    assert first.source == settings.HOSTNAME


def test_two_messages_of_one_number_are_two() -> None:
    assert EnvelopeMessage.new({}, sequence=1).message_id != EnvelopeMessage.new({}, sequence=1).message_id


class NoServer:
    service = "billing"


def handled() -> Message:
    reply = "$JS.ACK.STREAM.durable.1.1.1.1705312800000000000.0"
    raw = Msg(_client=Client(), subject=SUBJECT, reply=reply, headers={"Nats-Msg-Id": "evt_1"})
    return Message(raw, "handler", NoServer())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "make",
    [
        lambda number: Event.new(SUBJECT, "o-1", Order(number=number)),
        lambda number: EnvelopeMessage.new(Order(number=number)),
        lambda number: CloudEvent.new(SUBJECT, Order(number=number)),
    ],
)
def test_a_handler_that_is_tried_again_makes_the_same_envelope(make: Any) -> None:
    def ids() -> list[str]:
        with handled().bound():
            return [make(1).identity(), make(1).identity(), make(2).identity()]

    once = ids()
    assert once == ids()
    assert len(set(once)) == 3


def test_the_id_of_what_is_published_is_the_envelopes_and_another_on_another_subject() -> None:
    event, message = Event.new(SUBJECT, "o-1", {}), EnvelopeMessage.new({})

    assert id_of(event, SUBJECT) == event.id
    assert id_of(event, "orders.audit") not in (event.id, None)
    assert id_of(message, SUBJECT) != id_of(message, "orders.audit")
    assert id_of(message, SUBJECT) == id_of(message, SUBJECT)
    assert id_of({"id": "1"}, SUBJECT) is None


def test_two_sources_may_give_the_same_id() -> None:
    one, other = (CloudEvent[Any](**REQUIRED | {"source": source}) for source in ("/a", "/b"))

    assert id_of(one, SUBJECT) != id_of(other, SUBJECT)
    assert id_of(one, SUBJECT) == id_of(one.binary(), SUBJECT)


def test_cloudevents_structured_is_one_json_document() -> None:
    payload, headers = sent(CloudEvent.new(SUBJECT, Order(number=1), source="/shop", subject="o-1"))

    document = json.loads(payload)
    assert headers == {"Content-Type": "application/cloudevents+json"}
    assert document.pop("id")
    assert document.pop("time").endswith("Z")
    assert document == {
        "specversion": "1.0",
        "source": "/shop",
        "type": SUBJECT,
        "subject": "o-1",
        "datacontenttype": "application/json",
        "data": {"number": 1, "note": ""},
    }


def test_cloudevents_binary_has_attributes_as_headers_and_the_data_alone_as_payload() -> None:
    payload, headers = sent(CloudEvent.new(SUBJECT, Order(number=1), source="/shop", subject="50 % \u20ac").binary())

    assert json.loads(payload) == {"number": 1, "note": ""}
    assert headers.pop("ce-id")
    assert headers.pop("ce-time").endswith("Z")
    assert headers == {
        "ce-specversion": "1.0",
        "ce-source": "/shop",
        "ce-type": SUBJECT,
        "ce-subject": "50%20%25%20%E2%82%AC",
        "ce-datacontenttype": "application/json",
    }


def test_header_values_are_encoded_as_the_specification_shows() -> None:
    assert header_of("Euro \u20ac \U0001f600") == "Euro%20%E2%82%AC%20%F0%9F%98%80"
    assert header_of('a"b') == "a%22b"
    assert header_of(True) == "true"


@given(st.text(st.characters(codec="utf-8"), min_size=1))
def test_every_text_comes_back_from_its_header(text: str) -> None:
    header = header_of(text)

    assert all(0x21 <= ord(character) <= 0x7E for character in header)
    assert attributes_in({"CE-Subject": header}) == {"subject": text}


@pytest.mark.parametrize(
    ("header", "text"),
    [("%e2%82%ac", "\u20ac"), ('"a b"', "a b"), (r'"say \"hi\""', 'say "hi"'), ("%41b", "Ab"), ("a%", "a%")],
)
def test_header_values_of_others_are_read_as_the_specification_asks(header: str, text: str) -> None:
    assert in_binary(b"1", subject=header).subject == text


def test_a_header_that_is_no_utf_8_is_refused() -> None:
    with pytest.raises(ValueError, match="utf-8"):
        in_binary(b"1", subject="%C0%A0")


@pytest.mark.parametrize(
    ("content_type", "payload", "data"),
    [
        ("application/json", b'{"number": 1}', {"number": 1}),
        ("application/vnd.shop+json; charset=utf-8", b"[1]", [1]),
        ("text/plain", "\u20ac".encode(), "\u20ac"),
        ("application/octet-stream", b"\xff\x00", b"\xff\x00"),
    ],
)
def test_data_of_a_binary_event_is_what_its_type_says(content_type: str, payload: bytes, data: Any) -> None:
    event = in_binary(payload, datacontenttype=content_type)

    assert event.data == data
    assert in_binary(*[sent(event.binary())[0]], datacontenttype=content_type).data == data


def test_an_event_without_data_has_none() -> None:
    assert in_binary(b"").data is None
    assert sent(in_binary(b"").binary())[0] == b""
    assert "data" not in json.loads(sent(in_binary(b""))[0])
    with pytest.raises(ValidationError, match="data"):
        CloudEvent[Order].read(b"", {f"ce-{name}": value for name, value in REQUIRED.items()})


def test_bytes_travel_in_a_structured_event_as_base64() -> None:
    event = CloudEvent.new(SUBJECT, b"\xff\x00")

    document = json.loads(sent(event)[0])

    assert document["data_base64"] == b64encode(b"\xff\x00").decode()
    assert "data" not in document
    assert CloudEvent[bytes].read(*sent(event)).data == b"\xff\x00"
    as_json = {**REQUIRED, "data_base64": b64encode(b'{"number": 2}').decode()}
    assert CloudEvent[Order].read(json.dumps(as_json).encode(), {}).data == Order(number=2)


@pytest.mark.parametrize("content_type", [None, "application/cloudevents+json", "Application/CloudEvents+JSON; a=b"])
def test_a_structured_event_is_known_by_its_content_type_or_by_its_payload_alone(content_type: str | None) -> None:
    headers = {} if content_type is None else {"content-type": content_type, "ce-specversion": "1.0", "ce-id": "x"}

    assert CloudEvent[Any].read(json.dumps({**REQUIRED, "data": 1}).encode(), headers).id == "1"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"specversion": "0.3"}, "specversion"),
        ({"specversion": None}, "specversion"),
        ({"id": ""}, "id"),
        ({"source": None}, "source"),
        ({"type": None}, "type"),
        ({"time": "yesterday"}, "time"),
        ({"data": {"number": "many"}}, "number"),
        ({"data_base64": "AA=="}, "both data and data_base64"),
    ],
)
def test_what_is_no_cloudevent_is_refused(change: dict[str, Any], message: str) -> None:
    document = {**REQUIRED, "data": {"number": 1}, **change}

    with pytest.raises(ValueError, match=message):
        CloudEvent[Order].read(json.dumps({k: v for k, v in document.items() if v is not None}).encode(), {})


def test_a_payload_cannot_pass_for_attributes() -> None:
    with pytest.raises(ValueError, match="Invalid JSON"):
        in_binary(b'1, "type": "other"')
    headers = {f"ce-{name}": value for name, value in REQUIRED.items()}
    assert CloudEvent[Any].read(b"", headers | {"ce-data": "2"}).data is None


def test_an_extension_that_others_could_not_read_is_not_sent() -> None:
    for extension in ({"Upper": "x"}, {"with-hyphen": "x"}, {"table": {"a": 1}}):
        event = CloudEvent[Any](**REQUIRED, **extension)  # read it may be
        with pytest.raises(ValueError, match="attribute"):
            event.wire()
        with pytest.raises(ValueError, match="attribute"):
            event.binary().wire()


def test_what_was_made_in_the_future_of_this_clock_is_new() -> None:
    event = Event[Any].model_validate(
        {"id": "1", "type": "a", "timestamp": "2999-01-01T00:00:00", "aggregateId": "1", "data": 1}
    )
    assert event.age() == 0.0
    assert CloudEvent[Any](**REQUIRED).age() is None
