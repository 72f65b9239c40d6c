"""The attributes of a CloudEvent in the headers of a NATS message.

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
    """Return whether the payload holds the whole event: by its content type, or because no header has attributes.

    Version 1.0.2 of the binding had only this form, and required no header.
    """
    lower = {name.lower(): value for name, value in headers.items()}
    structured = lower.get("content-type", "").strip().lower().startswith(STRUCTURED)
    return structured or f"{PREFIX}specversion" not in lower


def is_json(content_type: object) -> bool:
    """Return whether data of that content type is JSON, which is also the default."""
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
    """Check that other systems can read an extension attribute.

    Raises:
        ValueError: they cannot.
    """
    if not NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no attribute of a CloudEvent: it takes lower-case letters and digits")
    if value is not None and not isinstance(value, str | int):
        raise ValueError(f"the attribute {name} takes text, a whole number, true or false")


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
