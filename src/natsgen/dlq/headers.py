"""The headers of a message, parsed from the server's bytes and passed to nats-py without loss."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

Headers = tuple[tuple[str, str], ...]
"""Names and values in order; a name may occur several times."""

NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 7230's token; nats-py sends no other names
FRAME = 64  # bytes around the headers, with a margin


def parse(raw: bytes) -> Headers:
    """Return the headers in a block such as `NATS/1.0\\r\\nName: value\\r\\n\\r\\n`; invalid UTF-8 becomes U+FFFD."""
    lines = raw.split(b"\r\n")[1:]
    pairs = (line.partition(b":") for line in lines if b":" in line)
    return tuple((_text(name), _text(value)) for name, _, value in pairs)


def first(headers: Headers, name: str) -> str:
    """Return the first value of a header, "" if there is none."""
    return next((value for key, value in headers if key == name), "")


def by_name(headers: Headers) -> dict[str, list[str]]:
    """Return all the values of each header."""
    found: dict[str, list[str]] = {}
    for name, value in headers:
        found.setdefault(name, []).append(value)
    return found


def size(headers: Headers) -> int:
    """Return the size of the headers in a message in bytes, with a margin."""
    return FRAME + sum(len(name.encode()) + len(value.encode()) + 4 for name, value in headers)


def is_of(name: str, *prefixes: str) -> bool:
    """Return whether a header's name begins with one of the prefixes; case does not matter."""
    return name.lower().startswith(tuple(prefix.lower() for prefix in prefixes))


class Outgoing(dict[str, Any]):
    """Headers for nats-py: a dict of which it only calls `items`, so a name may occur several times."""

    def __init__(self, headers: Headers) -> None:
        super().__init__(headers)
        self._headers = headers

    def items(self) -> Iterable[tuple[str, Any]]:  # type: ignore[override]
        """Return the names and values to send."""
        return self._headers


def _text(raw: bytes) -> str:
    return raw.strip().decode(errors="replace")
