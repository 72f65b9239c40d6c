"""Which dead letters a command is about."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from natsgen import messages, naming
from natsgen.dlq.letters import ALL, PREFIX, REASONS, Summary, as_time
from natsgen.errors import InputError

_TOKEN = re.compile(r"[A-Za-z0-9_-]+")
_AGO = re.compile(r"([0-9]{1,6})([smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


@dataclass(frozen=True)
class Selection:
    """Letters that fit everything that is given; one without anything takes all.

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
        """Whether nothing is given."""
        return self == Selection()

    @property
    def subject(self) -> str:
        """The subject that covers the letters, and others if more than service and handler is given."""
        if self.service is None and self.handler is None:
            return ALL
        return f"{PREFIX}{self.service or '*'}.{self.handler or '*'}"

    def takes(self, letter: Summary) -> bool:
        """Whether a letter fits."""
        return (
            self.service in (None, letter.service)
            and self.handler in (None, letter.handler)
            and self.reason in (None, letter.reason)
            and self.correlation in (None, letter.correlation)
            and (self.since is None or letter.when >= self.since)
            and (self.until is None or letter.when <= self.until)
        )


def reason(text: str) -> str:
    """Checks a reason; returns it or raises `InputError`."""
    if text not in REASONS:
        nearest = messages.did_you_mean(text, REASONS)
        raise InputError(f"invalid reason {messages.quote(text)}: use {messages.join_names(REASONS)}{nearest}")
    return text


def token(name: str) -> str:
    """Checks the name of a service or handler as it stands in subjects; returns it or raises `InputError`."""
    if not _TOKEN.fullmatch(name):
        raise InputError(f"{messages.quote(name)} is no name: it takes letters, digits, _ and -")
    return name


def time(text: str, now: datetime) -> datetime:
    """The time that a person means.

    Args:
        text: ISO 8601, in UTC unless it names a zone, or how long ago, such as `90s`, `30m`, `2h`, `7d`, `1w`.
        now: what "ago" counts from.

    Raises:
        InputError: it is neither.
    """
    if found := _AGO.fullmatch(text):
        try:
            return now - timedelta(**{_UNITS[found[2]]: int(found[1])})
        except OverflowError as error:
            raise InputError(f"{messages.quote(text)} is longer ago than there are dates") from error
    try:
        return as_time(text)
    except ValueError as error:
        raise InputError(
            f"{messages.quote(text)} is no time: it takes one such as 2026-03-01T12:00:00Z or 2026-03-01 (UTC), or how "
            "long ago, such as 30m, 2h or 7d"
        ) from error


def plain_subject(text: str) -> str:
    """Checks a subject to publish on; returns it or raises `InputError`."""
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
            f"{messages.quote(text)} is no subject to publish on: it takes tokens with dots between, without wildcards "
            "and spaces, such as orders.order.created"
        )
    return text
