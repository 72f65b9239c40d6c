"""Selecting dead letters by ID or by common properties, and counting them."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from natsgen import messages
from natsgen.dlq import reading
from natsgen.dlq.bulk import IN_FLIGHT
from natsgen.dlq.connection import Connection
from natsgen.dlq.letters import ALL, PREFIX, REASONS, STREAM, Summary, as_time
from natsgen.errors import InputError
from natsgen.parts import naming

_TOKEN = re.compile(r"[A-Za-z0-9_-]+")
_AGO = re.compile(r"([0-9]{1,6})([smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


@dataclass(frozen=True)
class Selection:
    """Conditions that all apply to the selected letters; without any, all letters are selected.

    Attributes:
        since: not older than this.
        until: not newer than this.
    """

    service: str | None = None
    handler: str | None = None
    reason: str | None = None
    correlation: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    @property
    def is_everything(self) -> bool:
        """Return whether there are no conditions."""
        return self == Selection()

    @property
    def subject(self) -> str:
        """Return a subject that matches all selected letters, and possibly others."""
        if self.service is None and self.handler is None:
            return ALL
        return f"{PREFIX}{self.service or '*'}.{self.handler or '*'}"

    def matches(self, letter: Summary) -> bool:
        """Return whether a letter meets all conditions."""
        return (
            self.service in (None, letter.service)
            and self.handler in (None, letter.handler)
            and self.reason in (None, letter.reason)
            and self.correlation in (None, letter.correlation)
            and (self.since is None or letter.when >= self.since)
            and (self.until is None or letter.when <= self.until)
        )


def reason(text: str) -> str:
    """Check a reason; return it or raise `InputError`."""
    if text not in REASONS:
        nearest = messages.did_you_mean(text, REASONS)
        raise InputError(f"invalid reason {messages.quote(text)}: use {messages.join_names(REASONS)}{nearest}")
    return text


def token(name: str) -> str:
    """Check the name of a service or handler in subjects; return it or raise `InputError`."""
    if not _TOKEN.fullmatch(name):
        raise InputError(f"invalid name {messages.quote(name)}: use letters, digits, _ and -")
    return name


def time(text: str, now: datetime) -> datetime:
    """Return the time that an option gives.

    Args:
        text: ISO 8601, by default in UTC, or how long ago: `90s`, `30m`, `2h`, `7d`, `1w`.
        now: the current time.

    Raises:
        InputError: the text is invalid.
    """
    if found := _AGO.fullmatch(text):
        try:
            return now - timedelta(**{_UNITS[found[2]]: int(found[1])})
        except OverflowError as error:
            raise InputError(f"invalid time {messages.quote(text)}: it is before the first date") from error
    try:
        return as_time(text)
    except ValueError as error:
        raise InputError(
            f"invalid time {messages.quote(text)}: use 2026-03-01T12:00:00Z, 2026-03-01 (UTC), or a duration such as "
            "30m, 2h or 7d"
        ) from error


def plain_subject(text: str) -> str:
    """Check a subject to publish on; return it or raise `InputError`."""
    tokens = text.split(".")
    if owner := naming.RESERVED_FIRST_TOKENS.get(tokens[0].lower()):
        raise InputError(f"{messages.quote(text)} is reserved, {owner}")
    if (
        len(text) > naming.SUBJECT_MAX_LENGTH
        or text.startswith("$")
        or not all(tokens)
        or any(character.isspace() or not character.isprintable() or character in "*>" for character in text)
    ):
        raise InputError(
            f"invalid subject {messages.quote(text)}: use tokens separated by dots, without wildcards and spaces, such "
            "as orders.order.created"
        )
    return text


@dataclass(frozen=True)
class Chosen:
    """The selected letters.

    Attributes:
        server: the server's address.
        selection: the conditions.
        has_stream: whether the stream exists.
        letters: the letters, oldest first.
    """

    server: str
    selection: Selection
    has_stream: bool
    letters: Sequence[Summary]


async def choose(
    connection: Connection, selection: Selection, ids: Sequence[int], progress: Callable[[int, int], None]
) -> Chosen:
    """Find letters.

    Args:
        connection: the connection to the server.
        selection: the conditions.
        ids: the IDs of the letters; if empty, all that match.
        progress: receives the number of letters read and the total.

    Raises:
        LetterError: an ID does not belong to a dead letter.
        InputError: the letter with an ID does not match the conditions.
    """
    last = await reading.last_sequence(connection)  # later messages are ignored
    letters: list[Summary] = []
    if ids:
        letters = await _by_ids(connection, selection, sorted(set(ids)))
    elif last is not None:
        async for batch in reading.summaries(connection, selection.subject, last, progress):
            letters += [letter for letter in batch if selection.matches(letter)]
    return Chosen(connection.server, selection, last is not None, letters)


async def _by_ids(connection: Connection, selection: Selection, ids: Sequence[int]) -> list[Summary]:
    found: list[Summary] = []
    for start in range(0, len(ids), IN_FLIGHT):
        letters = await asyncio.gather(*(reading.letter(connection, one) for one in ids[start : start + IN_FLIGHT]))
        found += [letter.summary() for letter in letters]
    if other := next((letter for letter in found if not selection.matches(letter)), None):
        raise InputError(
            f"dead letter {other.id} of stream {STREAM} ({other.subject}) does not match the other options"
        )
    return found


@dataclass(frozen=True)
class Group:
    """Letters of one service and handler with one reason."""

    service: str
    handler: str
    reason: str
    count: int
    oldest: datetime
    newest: datetime


def groups(letters: Iterable[Summary]) -> list[Group]:
    """Return the letters by service, handler and reason, sorted."""
    times: dict[tuple[str, str, str], list[datetime]] = {}
    for letter in letters:
        times.setdefault((letter.service, letter.handler, letter.reason), []).append(letter.when)
    return [Group(*key, len(found), min(found), max(found)) for key, found in sorted(times.items())]
