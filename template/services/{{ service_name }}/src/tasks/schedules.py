"""Delays and schedules of tasks: `every(60)` and `cron("0 3 * * *", timezone="Europe/Berlin")`.

The server stores the messages and sends them:
https://github.com/nats-io/nats-architecture-and-design/blob/main/adr/ADR-51.md
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from src.infrastructure.errors import ConfigurationError

EXPIRES = 7 * 24 * 3600  # seconds, so that the schedule of a deleted service does not fill the disk
MAX_DELAY = 100 * 365 * 24 * 3600.0  # seconds; later times may not be valid dates


@dataclass(frozen=True, slots=True)
class Schedule:
    """A schedule for which the server enqueues a task. It enqueues each run once, for any number of instances.

    Attributes:
        text: the schedule in the server's form.
        timezone: the time zone of its times; UTC by default.
        payload: the payload of every run.
        expires: whole seconds after which a run that no worker has started is dropped.
    """

    text: str
    timezone: str | None
    payload: Any
    expires: int

    def __post_init__(self) -> None:
        if self.expires != int(self.expires) or self.expires < 1:
            raise ConfigurationError(f"expires is {self.expires}; use whole seconds, 1 or more")

    def headers(self, target: str) -> dict[str, str]:
        """Return the headers of the schedule's message."""
        headers = {
            "Nats-Schedule": self.text,
            "Nats-Schedule-Target": target,
            "Nats-Schedule-TTL": f"{int(self.expires)}s",
        }
        return headers | ({"Nats-Schedule-Time-Zone": self.timezone} if self.timezone else {})


def every(seconds: float, *, payload: Any = None, expires: int = EXPIRES) -> Schedule:
    """Return a schedule of regular runs, which start with the first worker.

    Args:
        seconds: seconds between two runs, 1 or more.
        payload: the payload of every run; `{}` by default.
        expires: seconds after which a run that no worker has started is dropped.

    Raises:
        ConfigurationError: the server does not support the interval.
    """
    if not 1 <= seconds < 1e9:
        raise ConfigurationError(f"every({seconds}): use seconds, 1 or more")
    return Schedule(f"@every {plain(seconds)}s", None, payload, expires)


def cron(text: str, *, timezone: str | None = None, payload: Any = None, expires: int = EXPIRES) -> Schedule:
    """Return a schedule of runs at certain times.

    Args:
        text: minute, hour, day of month, month, day of week, with seconds in front if there are six fields; or
            `@hourly`, `@daily`, `@weekly`, `@monthly`, `@yearly`.
        timezone: such as `Europe/Berlin`; UTC by default.
        payload: the payload of every run; `{}` by default.
        expires: seconds after which a run that no worker has started is dropped.

    Raises:
        ConfigurationError: the text has another form. Errors that only the server finds stop the worker at its start.
    """
    fields = text.split()
    if not (text.startswith("@") and len(fields) == 1):
        if len(fields) not in (5, 6):
            raise ConfigurationError(f"cron({text!r}): use 5 fields, 6 with seconds in front, or a word such as @daily")
        text = " ".join(["0"] * (6 - len(fields)) + fields)
    return Schedule(text, timezone, payload, expires)


def seconds_until(delay: float | None, at: datetime | None) -> float:
    """Return the seconds until a task must be enqueued; 0 means now.

    Raises:
        ValueError: both are given, or one is invalid.
    """
    if at is not None:
        if delay is not None or at.tzinfo is None:
            raise ValueError(f"at is {at} and delay {delay}; set only one of them, and a time with its time zone")
        return max((at - datetime.now(UTC)).total_seconds(), 0.0)
    if delay is not None and not 0 <= delay <= MAX_DELAY:
        raise ValueError(f"delay is {delay}; use seconds, 0 to {MAX_DELAY:g}")
    return delay or 0.0


def sent_after(delay: float, target: str) -> dict[str, str]:
    """Return the headers with which the server stores a message for `delay` seconds, then sends it to a subject."""
    at = (datetime.now(UTC) + timedelta(seconds=delay)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {"Nats-Schedule": f"@at {at}", "Nats-Schedule-Target": target}


def plain(seconds: float) -> str:
    """Return seconds as text, to a thousandth and without an exponent."""
    return f"{seconds:.3f}".rstrip("0").rstrip(".")
