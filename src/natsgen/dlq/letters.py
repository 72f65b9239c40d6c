"""A dead letter, and the message of its replay."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from natsgen.dlq import headers
from natsgen.dlq.headers import Headers
from natsgen.errors import LetterError

STREAM = "DLQ"
PREFIX = "dlq."
ALL = f"{PREFIX}>"
REASONS = ("crashed", "exhausted", "invalid", "rejected")

# Headers about the failure, which a replay does not repeat.
OF_THE_FAILURE = frozenset(
    {"dlq-reason", "dlq-error-type", "dlq-error", "dlq-stack", "dlq-attempts", "dlq-failed-at", "dlq-payload"}
)
PAYLOAD = "Dlq-Payload"
WITH_ORIGINAL = "original"  # the header's value if the payload did not fit into the letter
FAILED_AT = "Dlq-Failed-At"
MESSAGE_ID = "Nats-Msg-Id"
CORRELATION = "Correlation-Id"

_OF_A_HANDLER = re.compile(r"dlq\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)")


@dataclass(frozen=True, slots=True)
class Summary:
    """A letter without payload, stack and original headers.

    Attributes:
        id: its sequence in the stream.
        service: from its subject; "" if the subject does not have the form `dlq.<service>.<handler>`.
        handler: from its subject; the whole subject if it has another form.
        when: when the message failed, or when it was stored if the letter does not say.
        error: type and text of the error, on one line.
        is_with_original: whether its payload did not fit and is still with the original message.
        size: bytes of the payload in the letter.
    """

    id: int
    subject: str
    service: str
    handler: str
    reason: str
    when: datetime
    error: str
    correlation: str
    is_with_original: bool
    size: int

    def is_same(self, other: Summary) -> bool:
        """Return whether both describe one letter: IDs repeat when a stream is created again."""
        return self.subject == other.subject and abs((self.when - other.when).total_seconds()) < 1  # one may be rounded


@dataclass(frozen=True)
class Letter:
    """A letter in full, as stored in the stream.

    Attributes:
        id: its sequence in the stream.
        subject: its subject in the stream.
        stored: when the stream stored it.
        headers: all its headers.
        payload: its payload; empty if that is with the original message.
    """

    id: int
    subject: str
    stored: datetime
    headers: Headers
    payload: bytes

    @property
    def is_with_original(self) -> bool:
        """Return whether its payload did not fit and is still with the original message."""
        return headers.first(self.headers, PAYLOAD) == WITH_ORIGINAL

    def summary(self) -> Summary:
        """Return the summary of the letter."""
        return summary_of(self.id, self.subject, self.stored, dict(reversed(self.headers)), len(self.payload))

    def original_headers(self) -> Headers:
        """Return the headers that the message had before it failed."""
        return tuple((name, value) for name, value in self.headers if not headers.is_of(name, "Dlq-", "Nats-"))

    def own_headers(self) -> Headers:
        """Return the headers that say why and where it failed, and those of the server."""
        return tuple((name, value) for name, value in self.headers if headers.is_of(name, "Dlq-", "Nats-"))

    def replay_subject(self) -> str:
        """Return the subject on which the handler that failed receives replays.

        Raises:
            LetterError: its subject does not name a handler.
        """
        found = _OF_A_HANDLER.fullmatch(self.subject)
        if not found:
            raise LetterError("its subject is not dlq.<service>.<handler>: only --to-subject can replay it")
        return f"replay.{found[1]}.{found[2]}"

    def replay_headers(self, *, to_handler: bool) -> Headers:
        """Return the headers of its replay: with its origin for its handler, else the original's headers."""
        kept = self.original_headers()
        if to_handler:
            kept = tuple(
                (name, value)
                for name, value in self.headers
                if not headers.is_of(name, "Nats-") and name.lower() not in OF_THE_FAILURE
            )
        # All replays of this letter share the ID, so that a stream stores a repeated replay once.
        return (*kept, (MESSAGE_ID, f"replay.{self.id}.{int(self.stored.timestamp())}"))


def summary_of(number: int, subject: str, stored: datetime, found: Mapping[str, str], size: int) -> Summary:
    """Return the summary of a letter from its headers by name."""
    tokens = subject.split(".")
    service, handler = (tokens[1], tokens[2]) if len(tokens) == 3 else ("", subject)
    kind, text = found.get("Dlq-Error-Type", ""), found.get("Dlq-Error", "")
    return Summary(
        id=number,
        subject=subject,
        service=service,
        handler=handler,
        reason=found.get("Dlq-Reason", ""),
        when=_failed_at(found.get(FAILED_AT, "")) or stored,
        error=f"{kind}: {text}" if kind and text else kind or text,
        correlation=found.get(CORRELATION, ""),
        is_with_original=found.get(PAYLOAD) == WITH_ORIGINAL,
        size=size,
    )


def as_time(text: str) -> datetime:
    """Return an ISO 8601 time in UTC; the default zone is UTC. Raises `ValueError` if it is invalid."""
    time = datetime.fromisoformat(text)
    try:
        return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except OverflowError as error:
        raise ValueError(f"{text} is out of range") from error


def shown_time(time: datetime) -> str:
    """Return a time as text: ISO 8601 in UTC, to the second."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _failed_at(text: str) -> datetime | None:
    try:
        return as_time(text) if text else None
    except ValueError:
        return None  # anyone may have set the header
