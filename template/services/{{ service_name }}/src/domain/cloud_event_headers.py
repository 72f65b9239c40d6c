"""The attributes of a CloudEvent as headers of a NATS message, and back.

https://github.com/cloudevents/spec/blob/main/cloudevents/bindings/nats-protocol-binding.md#313-metadata-headers
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, unquote_to_bytes

PREFIX = "ce-"
PRINTABLE = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) not in '"%')  # what is not percent-encoded
STRUCTURED = "application/cloudevents"
QUOTED = re.compile(r'"(.*)"', re.DOTALL)
ESCAPED = re.compile(r"\\(.)")
NAME = re.compile(r"[a-z0-9]+")


def is_structured(headers: Mapping[str, str]) -> bool:
    """Whether the payload holds the whole event: so says its content type, or there are no attributes in headers.

    Version 1.0.2 of the binding had no other form, and asked for no header.
    """
    lower = {name.lower(): value for name, value in headers.items()}
    if lower.get("content-type", "").strip().lower().startswith(STRUCTURED):
        return True
    return f"{PREFIX}specversion" not in lower


def is_json(content_type: str | None) -> bool:
    """Whether data of that type is JSON, as it is where no type is said."""
    if content_type is None:
        return True
    plain = content_type.partition(";")[0].strip().lower()
    return plain.endswith(("/json", "+json"))


def attributes_in(headers: Mapping[str, str]) -> dict[str, str]:
    """The attributes in a message's headers, by name.

    Raises:
        ValueError: a value is percent-encoded and no UTF-8.
    """
    found = {name.lower(): value for name, value in headers.items()}
    attributes = {name.removeprefix(PREFIX): _text(value) for name, value in found.items() if name.startswith(PREFIX)}
    if "content-type" in found:  # where other bindings have it
        attributes.setdefault("datacontenttype", found["content-type"])
    return attributes


def check_extension(name: str, value: object) -> None:
    """Sees to it that others can read an extension attribute.

    Raises:
        ValueError: they cannot.
    """
    if not NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no attribute of a CloudEvent: it takes lower-case letters and digits")
    if value is not None and not isinstance(value, str | int):
        raise ValueError(f"the attribute {name} takes text, a whole number, true or false")


def header_of(value: Any) -> str:
    """An attribute's value as a header's: its canonical text, percent-encoded where it is not printable ASCII."""
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
