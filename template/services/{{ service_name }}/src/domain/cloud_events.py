"""CloudEvents 1.0, in the structured and the binary form of their NATS binding.

https://github.com/cloudevents/spec/blob/main/cloudevents/spec.md,
https://github.com/cloudevents/spec/blob/main/cloudevents/bindings/nats-protocol-binding.md
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Annotated, Any, ClassVar, Generic, Literal, Self, TypeVar
from uuid import uuid4

from pydantic import ConfigDict, Field, StringConstraints, TypeAdapter, field_validator
from pydantic_core import from_json, to_json

from src.config import settings
from src.domain.cloud_event_headers import attributes_in, check_extension, header_of, is_json, is_structured
from src.domain.envelope import Envelope, Sendable, Wire
from src.infrastructure.handling.context import current_message

Data = TypeVar("Data")
Text = Annotated[str, StringConstraints(min_length=1)]

STRUCTURED = "application/cloudevents+json"
JSON, BYTES = "application/json", "application/octet-stream"


def _with_base64(schema: dict[str, Any]) -> None:
    """Tells the schema of the place that data has which is no JSON."""
    schema["properties"]["data_base64"] = {"type": "string", "contentEncoding": "base64"}


class CloudEvent(Envelope, Generic[Data]):
    """An event as CloudEvents has it, with any extension attributes: `event.model_extra`.

    `CloudEvent[OrderCreated]` validates `data` as well; `CloudEvent[bytes]` takes it as it is. A handler reads the
    structured form, which is one JSON document, and the binary one, whose attributes are headers, `ce-id` for one.
    Publishing sends the structured form, and of `event.binary()` the binary one.
    """

    READS_HEADERS: ClassVar[bool] = True

    model_config = ConfigDict(frozen=True, extra="allow", json_schema_extra=_with_base64)

    specversion: Literal["1.0"]
    id: Text
    source: Text
    type: Text
    time: datetime | None = None
    subject: Text | None = None
    datacontenttype: Text | None = None
    dataschema: Text | None = None
    data: Data = Field(default=None, validate_default=True)

    @classmethod
    def new(
        cls, type: str, data: Data, *, source: str | None = None, subject: str | None = None, **extensions: str
    ) -> CloudEvent[Data]:
        """An event that happens now, with an id of its own.

        Made while a message is handled, the id follows from that message and from what is given here: a handler that
        is tried again makes the same event again, and a stream or an inbox knows it.

        Args:
            type: what happened, such as its subject of NATS, `orders.order.created`.
            data: what there is to know about it.
            source: where it happened, a URI reference; `/<SERVICE_NAME>` unless given.
            subject: what it happened to.
            extensions: further attributes, such as `partitionkey="42"`.
        """
        source = source or f"/{settings.SERVICE_NAME}"
        message = current_message.get()
        content = data if isinstance(data, bytes) else to_json(data, serialize_unknown=True)
        identity = str(uuid4()) if message is None else message.derived_id(type, source, subject or "", content)
        attributes: dict[str, Any] = {
            "specversion": "1.0",
            "id": identity,
            "source": source,
            "type": type,
            "time": datetime.now(UTC),
            "subject": subject,
            "datacontenttype": BYTES if isinstance(data, bytes) else JSON,
            **extensions,
        }
        return cls(data=data, **attributes)

    def identity(self) -> str:
        """Its source and id, which only together are its own."""
        return f"{header_of(self.source)}#{header_of(self.id)}"

    def about(self) -> str:
        """Its type."""
        return self.type

    def made_at(self) -> datetime | None:
        """Its time."""
        return self.time

    def wire(self) -> Wire:
        """The structured form."""
        document = self._attributes()
        if isinstance(self.data, bytes):
            document["data_base64"] = b64encode(self.data).decode()
        elif "data" in self.model_fields_set:
            document["data"] = self.data
        return Wire(to_json(document, by_alias=True), {"Content-Type": STRUCTURED})

    def binary(self) -> BinaryCloudEvent:
        """The same event, to be published in the binary form."""
        return BinaryCloudEvent(self)

    @classmethod
    def read(cls, payload: bytes, headers: Mapping[str, str]) -> Self:
        """The event in a message, in whichever form it is.

        Raises:
            ValueError: there is none in it, or its data is not what is asked for.
        """
        if is_structured(headers):
            return cls._from_document(payload)
        attributes = attributes_in(headers)
        attributes.pop("data", None)  # is no attribute
        return cls.model_validate({**attributes, **_data_in(cls, payload, attributes.get("datacontenttype"))})

    @classmethod
    def _from_document(cls, payload: bytes) -> Self:
        if b'"data_base64"' not in payload:
            return cls.model_validate_json(payload)
        document = from_json(payload)
        if not isinstance(document, dict) or "data_base64" not in document:  # something else has that word in it
            return cls.model_validate_json(payload)
        if "data" in document:
            raise ValueError("it has both data and data_base64, and may have one")
        data = b64decode(str(document.pop("data_base64")), validate=True)
        return cls.model_validate({**document, **_data_in(cls, data, document.get("datacontenttype"))})

    def _attributes(self) -> dict[str, Any]:
        """All but the data, by name; what is not there is left out.

        Raises:
            ValueError: an extension's name or value is none that may be sent.
        """
        for name, value in (self.model_extra or {}).items():
            check_extension(name, value)
        return {name: value for name, value in self if name != "data" and value is not None}

    @field_validator("time")
    @classmethod
    def _in_a_zone(cls, value: datetime | None) -> datetime | None:
        return value if value is None or value.tzinfo else value.replace(tzinfo=UTC)


class BinaryCloudEvent(Sendable):
    """A CloudEvent that is published in the binary form: attributes as headers, and the data alone as payload."""

    __slots__ = ("event",)

    def __init__(self, event: CloudEvent[Any]) -> None:
        self.event = event

    def wire(self) -> Wire:
        """The data, and the attributes as headers."""
        event = self.event
        headers = {f"ce-{name}": header_of(value) for name, value in event._attributes().items()}
        if isinstance(event.data, bytes):
            payload = event.data
        elif isinstance(event.data, str) and not is_json(event.datacontenttype):
            payload = event.data.encode()
        elif event.data is None and "data" not in event.model_fields_set:
            payload = b""
        else:
            payload = to_json(event.data, by_alias=True)
        return Wire(payload, headers)

    def identity(self) -> str:
        """As of the event."""
        return self.event.identity()

    def about(self) -> str:
        """As of the event."""
        return self.event.about()


def _data_in(event: type[CloudEvent[Any]], data: bytes, content_type: object) -> dict[str, Any]:
    """The data as the event's class takes it: an empty payload is none.

    Raises:
        ValueError: it is not what is asked for.
    """
    if not data:
        return {}
    annotation = event.model_fields["data"].annotation
    if annotation is bytes:
        return {"data": data}
    if is_json(content_type if isinstance(content_type, str) else None):
        return {"data": _reader(event).validate_json(data)}
    try:
        return {"data": data.decode()}
    except UnicodeDecodeError:
        return {"data": data}


@lru_cache(maxsize=1000)
def _reader(event: type[CloudEvent[Any]]) -> TypeAdapter[Any]:
    annotation: Any = event.model_fields["data"].annotation
    return TypeAdapter(annotation)
