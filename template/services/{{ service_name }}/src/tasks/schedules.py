"""When a recurring task is to run: `every(60)`, `cron("0 3 * * *", timezone="Europe/Berlin")`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from src.infrastructure.errors import ConfigurationError
from src.tasks.names import plain

KEPT = 7 * 24 * 3600  # seconds that a run waits for a worker; a schedule that nobody takes away fills no disk
FIELDS = 6  # seconds, minutes, hours, day of month, month, day of week


@dataclass(frozen=True, slots=True)
class Schedule:
    """What the server enqueues by itself, so that each run is one, however many instances there are.

    Attributes:
        text: as the server takes it.
        timezone: that the times are meant in; UTC without one.
        payload: of every run.
        expires: whole seconds after which a run is dropped that no worker has begun.
    """

    text: str
    timezone: str | None
    payload: Any
    expires: int

    def headers(self, target: str) -> dict[str, str]:
        """The headers of the message that is the schedule."""
        headers = {
            "Nats-Schedule": self.text,
            "Nats-Schedule-Target": target,
            "Nats-Schedule-TTL": f"{self.expires}s",
        }
        return headers | ({"Nats-Schedule-Time-Zone": self.timezone} if self.timezone else {})


def every(seconds: float, *, payload: Any = None, expires: int = KEPT) -> Schedule:
    """Runs in intervals, from the first start of a worker with it on.

    Args:
        seconds: between two runs, 1 or more.
        payload: of every run; `{}` unless given.
        expires: seconds after which a run is dropped that no worker has begun.

    Raises:
        ConfigurationError: the server cannot do that.
    """
    if not 1 <= seconds < 1e9:
        raise ConfigurationError(f"every({seconds}): it takes seconds, 1 or more")
    return Schedule(f"@every {plain(seconds)}s", None, {} if payload is None else payload, _checked(expires))


def cron(text: str, *, timezone: str | None = None, payload: Any = None, expires: int = KEPT) -> Schedule:
    """Runs at times as `cron` has them.

    Args:
        text: minute, hour, day of month, month, day of week; with a field for seconds in front if there are six; or
            `@hourly`, `@daily`, `@weekly`, `@monthly`, `@yearly`.
        timezone: such as `Europe/Berlin`; UTC without one.
        payload: of every run; `{}` unless given.
        expires: seconds after which a run is dropped that no worker has begun.

    Raises:
        ConfigurationError: it is no such text. What only the server knows, it says when a worker starts.
    """
    fields = text.split()
    if text.startswith("@") and len(fields) == 1:
        normal = text
    elif len(fields) in (FIELDS - 1, FIELDS):
        normal = " ".join(["0"] * (FIELDS - len(fields)) + fields)
    else:
        raise ConfigurationError(f"cron({text!r}): it takes 5 fields, 6 with the seconds in front, or one as @daily")
    return Schedule(normal, timezone, {} if payload is None else payload, _checked(expires))


def _checked(expires: int) -> int:
    if expires != int(expires) or expires < 1:
        raise ConfigurationError(f"expires is {expires}; it takes whole seconds, 1 or more")
    return int(expires)
