"""Dead letters in a file: one JSON object a line, with its payload even if that did not fit into the letter."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, BinaryIO

from natsgen import messages, naming
from natsgen.dlq import headers
from natsgen.dlq.headers import Headers
from natsgen.dlq.letters import PREFIX, as_time
from natsgen.errors import InputError

KEYS = ("id", "subject", "stored", "headers", "payload")
_SUBJECT = re.compile(r"dlq(\.[^\s.*>\x00-\x1f\x7f]+)+")


@dataclass(frozen=True)
class Record:
    """A letter as a file has it.

    Attributes:
        id: what its sequence was.
        headers: all of them.
        payload: the whole, also of a letter that it did not fit into; None where the original was gone.
        line: where it is in the file, from 1; 0 if it is in none.
    """

    id: int
    subject: str
    stored: datetime
    headers: Headers
    payload: bytes | None
    line: int = 0

    def as_line(self) -> bytes:
        """The record as a line of a file, in ASCII."""
        document = {
            "id": self.id,
            "subject": self.subject,
            "stored": self.stored.isoformat(),
            "headers": headers.by_name(self.headers),
            "payload": None if self.payload is None else base64.b64encode(self.payload).decode(),
        }
        return json.dumps(document).encode() + b"\n"


def records(file: BinaryIO, name: str) -> Iterator[Record]:
    """The records in a file; empty lines are skipped.

    Args:
        file: from where it stands.
        name: how messages call it.

    Raises:
        InputError: a line is no record; the message has its number.
    """
    for number, line in enumerate(file, start=1):
        if line.strip():
            try:
                yield _record(line, number)
            except InputError as error:
                raise InputError(f"{name}, line {number}: {error}") from error


def _record(line: bytes, number: int) -> Record:
    try:
        document = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InputError("it is no JSON; it takes lines as natsgen dlq export writes them") from error
    if not isinstance(document, dict) or sorted(document) != sorted(KEYS):
        raise InputError(f"it takes an object with {messages.join_names(KEYS)}, and no others")
    return Record(
        id=_id(document["id"]),
        subject=_subject(document["subject"]),
        stored=_stored(document["stored"]),
        headers=_headers(document["headers"]),
        payload=None if document["payload"] is None else _payload(document["payload"]),
        line=number,
    )


def _id(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise InputError("id takes a whole number from 1")
    return value


def _subject(value: Any) -> str:
    if not isinstance(value, str) or len(value) > naming.SUBJECT_MAX_LENGTH or not _SUBJECT.fullmatch(value):
        raise InputError(f"subject takes one that begins with {PREFIX}, such as dlq.billing.order_created")
    return value


def _stored(value: Any) -> datetime:
    try:
        return as_time(value)
    except (TypeError, ValueError) as error:
        raise InputError("stored takes a time such as 2026-03-01T12:00:00+00:00") from error


def _headers(value: Any) -> Headers:
    if not isinstance(value, dict) or not all(isinstance(values, list) for values in value.values()):
        raise InputError("headers takes an object with a list of values for each name")
    found = tuple((name, one) for name, values in value.items() for one in values)
    for name, one in found:
        if not headers.NAME.fullmatch(name):
            raise InputError(f"{messages.quote(name)} is no header name")
        if not isinstance(one, str) or not _can_be_sent(one):
            raise InputError(f"the header {messages.quote(name)} takes texts of one line")
    return found


def _can_be_sent(text: str) -> bool:
    if "\r" in text or "\n" in text:
        return False
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _payload(value: Any) -> bytes:
    try:
        return base64.b64decode(value, validate=True)
    except (TypeError, ValueError) as error:
        raise InputError("payload takes base64, or null") from error
