"""The headers that tell where a message was first that travels as a dead letter, a replay or a delayed retry."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nats.aio.msg import Msg

if TYPE_CHECKING:
    from src.infrastructure.message import Message

OBJECT = "Dlq-Object"  # names the object that holds the payload, where it does not fit into the letter

HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 7230's token, which is what nats-py sends


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a message was first that comes back on `replay.<service>.<handler>`.

    Attributes:
        subject: that it was published on.
        stream: that held it.
        sequence: in that stream.
        stored_at: when that stream stored it, in epoch seconds; empty where nobody noted it.
        id: that it had there.
        attempts: of its handler, made before and still counting.
    """

    subject: str
    stream: str
    sequence: int
    stored_at: str
    id: str
    attempts: int


def origin_of(raw: Msg) -> Origin:
    """Where a message of a replay subject was first; itself, as far as its headers do not tell."""
    headers, metadata = raw.headers or {}, raw.metadata
    stream = headers.get("Dlq-Stream") or metadata.stream
    sequence = _number(headers.get("Dlq-Sequence")) or metadata.sequence.stream
    return Origin(
        subject=headers.get("Dlq-Subject") or raw.subject,
        stream=stream,
        sequence=sequence,
        stored_at=headers.get("Dlq-Stored-At", ""),
        id=headers.get("Dlq-Msg-Id") or headers.get("Nats-Msg-Id") or f"{stream}:{sequence}",
        attempts=_number(headers.get("Dlq-Attempts")),
    )


def travelling(message: Message, service: str) -> dict[str, str]:
    """The message's headers for its way to the stream `DLQ` or back, with where it comes from.

    Headers that instruct the server (Nats-Expected-..., Nats-TTL, Nats-Rollup) were for the stream they were sent to;
    elsewhere they would be refused or do harm.
    """
    kept = {name: value for name, value in message.headers.items() if not name.lower().startswith("nats-")}
    headers = {name: value for name, value in kept.items() if HEADER_NAME.fullmatch(name)}
    if dropped := sorted(kept.keys() - headers.keys()):
        headers["Dlq-Dropped-Headers"] = one_line(", ".join(dropped))  # nats-py sends no such names
    return headers | {
        "Correlation-Id": message.correlation_id,
        "Dlq-Attempts": str(message.attempt),
        "Dlq-Service": service,
        "Dlq-Handler": message.handler,
        "Dlq-Subject": message.subject,
        "Dlq-Stream": message.stream,
        "Dlq-Sequence": str(message.sequence),
        "Dlq-Stored-At": message.first_stored_at,
        "Dlq-Msg-Id": message.id,
    }


def one_line(text: str) -> str:
    """A header holds one line: line breaks become the two characters `\\n`."""
    return "\\n".join(text.encode(errors="replace").decode().splitlines())


def _number(text: str | None) -> int:
    return int(text) if text and text.isdecimal() else 0
