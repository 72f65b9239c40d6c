"""When a task runs: after a delay, or again and again by `every(60)` and `cron("0 3 * * *", timezone="Europe/Berlin")`.

The server keeps the messages and sends them, see
https://github.com/nats-io/nats-architecture-and-design/blob/main/adr/ADR-51.md
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from src.infrastructure.errors import ConfigurationError

EXPIRES = 7 * 24 * 3600  # seconds: the schedule of a deleted service does not fill the disk
MOST_DELAY = 100 * 365 * 24 * 3600.0  # seconds; the time must have a date


@dataclass(frozen=True, slots=True)
class Schedule:
    """What the server enqueues by itself. Each run is enqueued once, however many instances there are.

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
            raise ConfigurationError(f"expires is {self.expires}; it takes whole seconds, 1 or more")

    def headers(self, target: str) -> dict[str, str]:
        """Return the headers of the message that is the schedule."""
        headers = {
            "Nats-Schedule": self.text,
            "Nats-Schedule-Target": target,
            "Nats-Schedule-TTL": f"{int(self.expires)}s",
        }
        return headers | ({"Nats-Schedule-Time-Zone": self.timezone} if self.timezone else {})


def every(seconds: float, *, payload: Any = None, expires: int = EXPIRES) -> Schedule:
    """Return a schedule of regular runs, which start with the first worker.

    Args:
        seconds: between two runs, 1 or more.
        payload: of every run; `{}` by default.
        expires: seconds after which a run that no worker has started is dropped.

    Raises:
        ConfigurationError: the server does not support it.
    """
    if not 1 <= seconds < 1e9:
        raise ConfigurationError(f"every({seconds}): it takes seconds, 1 or more")
    return Schedule(f"@every {plain(seconds)}s", None, payload, expires)


def cron(text: str, *, timezone: str | None = None, payload: Any = None, expires: int = EXPIRES) -> Schedule:
    """Return a schedule of runs at certain times.

    Args:
        text: minute, hour, day of month, month, day of week, with seconds in front if there are six fields; or
            `@hourly`, `@daily`, `@weekly`, `@monthly`, `@yearly`.
        timezone: such as `Europe/Berlin`; UTC by default.
        payload: of every run; `{}` by default.
        expires: seconds after which a run that no worker has started is dropped.

    Raises:
        ConfigurationError: the text has another form. Whatever only the server knows stops the worker's start.
    """
    fields = text.split()
    if not (text.startswith("@") and len(fields) == 1):
        if len(fields) not in (5, 6):
            raise ConfigurationError(f"cron({text!r}): it takes 5 fields, 6 with seconds in front, or one as @daily")
        text = " ".join(["0"] * (6 - len(fields)) + fields)
    return Schedule(text, timezone, payload, expires)


def seconds_until(delay: float | None, at: datetime | None) -> float:
    """Return the seconds until a task is to be enqueued; 0 means now.

    Raises:
        ValueError: both are given, or one is invalid.
    """
    if at is not None:
        if delay is not None or at.tzinfo is None:
            raise ValueError(f"at is {at} and delay {delay}; give one of them, and a time with its time zone")
        return max((at - datetime.now(UTC)).total_seconds(), 0.0)
    if delay is not None and not 0 <= delay <= MOST_DELAY:
        raise ValueError(f"delay is {delay}; it takes seconds, 0 to {MOST_DELAY:g}")
    return delay or 0.0


def sent_after(delay: float, target: str) -> dict[str, str]:
    """Return the headers that have the server keep a message for `delay` seconds, and then send it to a subject."""
    at = (datetime.now(UTC) + timedelta(seconds=delay)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {"Nats-Schedule": f"@at {at}", "Nats-Schedule-Target": target}


def plain(seconds: float) -> str:
    """Return seconds to a thousandth, without an exponent."""
    return f"{seconds:.3f}".rstrip("0").rstrip(".")
