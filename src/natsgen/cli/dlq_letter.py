"""The output of `natsgen dlq show`: one dead letter, as text and as JSON."""

from __future__ import annotations

import base64
import shlex
from collections.abc import Iterator
from typing import Any

from natsgen.cli import output
from natsgen.cli.dlq_story import summary_document
from natsgen.dlq import headers
from natsgen.dlq.headers import Headers
from natsgen.dlq.letters import shown_time
from natsgen.dlq.payload import decode
from natsgen.dlq.reading import LetterWithPayload

_STACK = "Dlq-Stack"


def letter_lines(found: LetterWithPayload) -> Iterator[str]:
    """Yield the lines of `show`."""
    letter, short = found.letter, found.letter.summary()
    yield output.printable(f"Dead letter {letter.id} of {short.service or '-'} {short.handler}")
    size = short.size if found.payload is None else len(found.payload)
    facts = {
        "reason": short.reason or "-",
        "error": short.error or "-",
        "attempts": _own(letter.headers, "Dlq-Attempts"),
        "failed at": shown_time(short.when),
        "stored at": shown_time(letter.stored),
        "subject": _own(letter.headers, "Dlq-Subject"),
        "stream": f"{_own(letter.headers, 'Dlq-Stream')}, sequence {_own(letter.headers, 'Dlq-Sequence')}",
        "message ID": _own(letter.headers, "Dlq-Msg-Id"),
        "correlation ID": short.correlation or "-",
        "payload": f"{size} bytes" + (", with the original message" if short.is_with_original else ""),
    }
    yield from (f"  {line}" for line in output.columns(list(facts.items())))
    if short.correlation and output.printable(short.correlation) == short.correlation:
        command = f"{output.PROGRAM} dlq list --ids --correlation {shlex.quote(short.correlation)}"
        yield f"  all dead letters with this correlation ID: {command}"
    yield from output.section("Stack:", _stack(letter.headers))
    yield from output.section("Headers of the message:", _header_lines(letter.original_headers()))
    others = tuple((name, value) for name, value in letter.own_headers() if name != _STACK)
    yield from output.section("Headers of the dead letter:", _header_lines(others))
    if found.payload is None:
        yield from output.section("Payload:", [found.problem])
        return
    decoded = decode(found.payload)
    yield from ("", f"Payload ({decoded.kind}):", *(f"  {output.printable(line)}" for line in decoded.lines))
    if decoded.rest:
        yield f"  and {decoded.rest:,} more bytes; --raw writes all of them"


def letter_document(found: LetterWithPayload) -> dict[str, Any]:
    """Return the JSON document of `show`."""
    letter = found.letter
    payload = found.payload
    decoded = None if payload is None else decode(payload)
    is_text = decoded is not None and decoded.kind != "binary"
    return {
        **summary_document(letter.summary()),
        "stored_at": letter.stored.isoformat(),
        "stack": _stack(letter.headers),
        "headers": headers.by_name(letter.original_headers()),
        "dead_letter_headers": headers.by_name(letter.own_headers()),
        "payload": {
            "size": None if payload is None else len(payload),
            "kind": decoded.kind if decoded else "missing",
            "text": payload.decode() if payload is not None and is_text else None,
            "base64": None if payload is None else base64.b64encode(payload).decode(),
            "problem": found.problem or None,
        },
    }


def _own(found: Headers, name: str) -> str:
    return headers.first(found, name) or "-"


def _stack(found: Headers) -> list[str]:
    """Return the lines of the stack trace, in which the worker writes line breaks as the two characters `\\n`."""
    text = headers.first(found, _STACK)
    return text.replace("\\n", "\n").rstrip("\n").split("\n") if text else []


def _header_lines(found: Headers) -> list[str]:
    return [f"{name}: {value}" for name, value in found]
