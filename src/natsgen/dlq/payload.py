"""Decoding a payload for display."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Literal

DUMP_MAX = 1_024  # bytes shown of a binary payload; `--raw` writes all
_WIDTH = 16  # bytes on a line of the dump
_FIRST_PRINTABLE, _LAST_PRINTABLE = 0x20, 0x7E


@dataclass(frozen=True)
class Decoded:
    """A decoded payload.

    Attributes:
        kind: its format.
        lines: the lines to show.
        rest: the number of bytes not shown.
    """

    kind: Literal["empty", "json", "text", "binary"]
    lines: list[str]
    rest: int = 0


def decode(payload: bytes) -> Decoded:
    """Return indented JSON, else text, else the first bytes in hexadecimal."""
    if not payload:
        return Decoded("empty", [])
    try:
        text = payload.decode()
    except UnicodeDecodeError:
        return _dump(payload)
    try:
        document = json.loads(text)
        return Decoded("json", json.dumps(document, indent=2, ensure_ascii=False).splitlines())
    except (ValueError, RecursionError):  # not JSON, or nested too deeply
        pass
    return Decoded("text", text.splitlines()) if is_text(text) else _dump(payload)


def is_text(text: str) -> bool:
    """Return whether the text contains only printable characters, tabs and line breaks."""
    return all(character.isprintable() or character in "\t\r\n" for character in text)


def _dump(payload: bytes) -> Decoded:
    shown = payload[:DUMP_MAX]
    lines = [_dump_line(start, shown[start : start + _WIDTH]) for start in range(0, len(shown), _WIDTH)]
    return Decoded("binary", lines, len(payload) - len(shown))


def _dump_line(start: int, part: bytes) -> str:
    seen = "".join(chr(byte) if _FIRST_PRINTABLE <= byte <= _LAST_PRINTABLE else "." for byte in part)
    return f"{start:08x}  {part.hex(' ').ljust(_WIDTH * 3 - 1)}  {seen}"
