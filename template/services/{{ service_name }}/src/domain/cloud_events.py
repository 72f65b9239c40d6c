"""CloudEvents 1.0, in the structured and the binary form of their NATS binding.

https://github.com/cloudevents/spec/blob/main/cloudevents/spec.md,
https://github.com/cloudevents/spec/blob/main/cloudevents/bindings/nats-protocol-binding.md
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from functools import lru_cache
from typing import Annotated, Any, ClassVar, Generic, Literal, Self, TypeVar
from urllib.parse import quote, unquote_to_bytes
from uuid import uuid4

from pydantic import ConfigDict, Field, PrivateAttr, StringConstraints, TypeAdapter, field_validator
from pydantic_core import from_json, to_json

from src.config import settings
from src.domain.events import Envelope, Wire, current

Data = TypeVar("Data")
Text = Annotated[str, StringConstraints(min_length=1)]

STRUCTURED = "application/cloudevents+json"
JSON, BYTES = "application/json", "application/octet-stream"

# The binary form, in which attributes are headers:
# https://github.com/cloudevents/spec/blob/main/cloudevents/bindings/nats-protocol-binding.md#313-metadata-headers
PREFIX = "ce-"
PRINTABLE = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) not in '"%')  # not percent-encoded
QUOTED = re.compile(r'"(.*)"', re.DOTALL)
ESCAPED = re.compile(r"\\(.)")
NAME = re.compile(r"[a-z0-9]+")


def _with_base64(schema: dict[str, Any]) -> None:  # for data that is not JSON
    schema["properties"]["data_base64"] = {"type": "string", "contentEncoding": "base64"}


class CloudEvent(Envelope, Generic[Data]):
    """A CloudEvent, with any extension attributes in `event.model_extra`.

    `CloudEvent[OrderCreated]` also validates `data`; `CloudEvent[bytes]` leaves it unchanged. A handler accepts the
    structured form, which is one JSON document, and the binary form, whose attributes are headers such as `ce-id`.
    Events are published in the structured form; `event.binary()` is published in the binary form.
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
    _is_binary: bool = PrivateAttr(default=False)

    @classmethod
    def new(
        cls, type: str, data: Data, *, source: str | None = None, subject: str | None = None, **extensions: str
    ) -> CloudEvent[Data]:
        """Return an event that happens now.

        While a message is handled, the id derives from that message and the arguments. A retried handler creates the
        same event again, so that a stream or an inbox recognizes the duplicate.

        Args:
            type: the type, such as its NATS subject, `orders.order.created`.
            data: the content.
            source: where it happened, a URI reference; `/<SERVICE_NAME>` by default.
            subject: the object that it happened to.
            extensions: further attributes, such as `partitionkey="42"`.
        """
        source = source or f"/{settings.SERVICE_NAME}"
        incoming = current.get()
        content = data if isinstance(data, bytes) else to_json(data, serialize_unknown=True)
        identity = str(uuid4()) if incoming is None else incoming.derived_id(type, source, subject or "", content)
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
        """Return its source and id, which together are unique."""
        return f"{header_of(self.source)}#{header_of(self.id)}"

    def about(self) -> str:
        """Return its type."""
        return self.type

    def made_at(self) -> datetime | None:
        """Return its time."""
        return self.time

    def wire(self) -> Wire:
        """Return the structured form, or after `binary()` attributes as headers and the data as payload."""
        attributes, has_data = self.attributes(), "data" in self.model_fields_set
        if self._is_binary:
            data: Any = self.data if has_data or self.data is not None else b""
            if isinstance(data, str) and not is_json(self.datacontenttype):
                data = data.encode()
            payload = data if isinstance(data, bytes) else to_json(data, by_alias=True)
            return Wire(payload, {f"ce-{name}": header_of(value) for name, value in attributes.items()})
        if isinstance(self.data, bytes):
            attributes["data_base64"] = b64encode(self.data).decode()
        elif has_data:
            attributes["data"] = self.data
        return Wire(to_json(attributes, by_alias=True), {"Content-Type": STRUCTURED})

    def binary(self) -> Self:
        """Return the same event for publishing in the binary form."""
        event = self.model_copy()
        event._is_binary = True
        return event

    def attributes(self) -> dict[str, Any]:
        """Return everything except the data and attributes that are not set.

        Raises:
            ValueError: the name or value of an extension is not allowed.
        """
        for name, value in (self.model_extra or {}).items():
            check_extension(name, value)
        return {name: value for name, value in self if name != "data" and value is not None}

    @classmethod
    def read(cls, payload: bytes, headers: Mapping[str, str]) -> Self:
        """Return the event in a message of either form.

        Raises:
            ValueError: the message or its data is invalid.
        """
        if not is_structured(headers):
            attributes: dict[str, Any] = attributes_in(headers)
            attributes.pop("data", None)  # not an attribute
            return cls._from(attributes, payload)
        document = from_json(payload) if b'"data_base64"' in payload else None
        if not isinstance(document, dict) or "data_base64" not in document:
            return cls.model_validate_json(payload)
        if "data" in document:
            raise ValueError("the event has both data and data_base64")
        return cls._from(document, b64decode(str(document.pop("data_base64")), validate=True))

    @classmethod
    def _from(cls, attributes: dict[str, Any], data: bytes) -> Self:
        """Return the event with these attributes and this data; an empty payload means no data."""
        if not data:
            return cls.model_validate(attributes)
        content: Any = data
        if cls.model_fields["data"].annotation is not bytes:
            if is_json(attributes.get("datacontenttype")):
                content = _reader(cls).validate_json(data)
            else:
                with suppress(UnicodeDecodeError):
                    content = data.decode()
        return cls.model_validate({**attributes, "data": content})

    @field_validator("time")
    @classmethod
    def _in_a_zone(cls, value: datetime | None) -> datetime | None:
        return value if value is None or value.tzinfo else value.replace(tzinfo=UTC)


@lru_cache(maxsize=1000)
def _reader(event: type[CloudEvent[Any]]) -> TypeAdapter[Any]:
    annotation: Any = event.model_fields["data"].annotation
    return TypeAdapter(annotation)


def is_structured(headers: Mapping[str, str]) -> bool:
    """Return whether the payload is the whole event: by its content type, or because no header is an attribute.

    Version 1.0.2 of the binding had only this form, and required no header.
    """
    lower = {name.lower(): value for name, value in headers.items()}
    structured = lower.get("content-type", "").strip().lower().startswith("application/cloudevents")
    return structured or f"{PREFIX}specversion" not in lower


def is_json(content_type: object) -> bool:
    """Return whether a content type is JSON, which is the default."""
    plain = content_type.partition(";")[0].strip().lower() if isinstance(content_type, str) else "/json"
    return plain.endswith(("/json", "+json"))


def attributes_in(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the attributes in a message's headers.

    Raises:
        ValueError: a value is percent-encoded, but not UTF-8.
    """
    found = {name.lower(): value for name, value in headers.items()}
    attributes = {name.removeprefix(PREFIX): _text(value) for name, value in found.items() if name.startswith(PREFIX)}
    if "content-type" in found:  # as in other bindings
        attributes.setdefault("datacontenttype", found["content-type"])
    return attributes


def check_extension(name: str, value: object) -> None:
    """Check an extension attribute.

    Raises:
        ValueError: the specification does not allow its name or value.
    """
    if not NAME.fullmatch(name):
        raise ValueError(f"invalid attribute of a CloudEvent {name!r}: use lower-case letters and digits")
    if value is not None and not isinstance(value, str | int):
        raise ValueError(f"invalid value of the attribute {name}: use text, a whole number, true or false")


def header_of(value: Any) -> str:
    """Return an attribute's value for a header: its canonical text, percent-encoded unless printable ASCII."""
    if isinstance(value, bool):
        text = str(value).lower()
    elif isinstance(value, datetime):
        text = value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    else:
        text = str(value)
    return quote(text, safe=PRINTABLE)


def _text(value: str) -> str:
    if quoted := QUOTED.fullmatch(value):
        value = ESCAPED.sub(r"\1", quoted[1])
    return unquote_to_bytes(value).decode()
