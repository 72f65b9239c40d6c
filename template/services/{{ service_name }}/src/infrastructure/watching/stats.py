"""What the worker counts. `/stats` and `/metrics` both read these numbers, so they agree."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import accumulate
from typing import Any

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)  # seconds


@dataclass(slots=True)
class Durations:
    """How long a handler took, as a histogram over `BUCKETS`."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS) + 1))
    total: float = 0.0  # seconds

    def add(self, seconds: float) -> None:
        """Counts one run."""
        self.counts[bisect_left(BUCKETS, seconds)] += 1
        self.total += seconds


def histogram(durations: Durations) -> tuple[list[tuple[str, float]], float]:
    """The durations as Prometheus wants them: how many were up to each bound, and their sum in seconds."""
    bounds = [*map(str, BUCKETS), "+Inf"]
    return list(zip(bounds, accumulate(map(float, durations.counts)), strict=True)), durations.total


@dataclass(slots=True)
class ActionStats:
    """The counts of one action since the start of the process.

    Attributes:
        requests: received, those as well that were refused.
        errors: answers that were errors, by code.
        durations: how long the action took, from its start to its answer.
        last_error: the latest of them, as the caller was told.
    """

    requests: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    durations: Durations = field(default_factory=Durations)
    last_error: dict[str, Any] | None = None

    def failed(self, code: str, message: str) -> None:
        """Counts an answer that is an error."""
        self.errors[code] += 1
        self.last_error = {
            "code": code,
            "message": _short(message),
            "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
        }


@dataclass(slots=True)
class HandlerStats:
    """The counts of one handler since the start of the process.

    Attributes:
        received: deliveries by the server.
        handled: messages whose handler returned.
        retried: deliveries that ended with another attempt to come.
        scheduled: those of them that the server was told to send back later, since their delay is long.
        held: deliveries of messages that another worker was handling, by the inbox.
        released: deliveries that were given back unhandled, at shutdown.
        duplicates: deliveries of messages that had been handled before, by the inbox.
        dead_letters: messages given up, by reason.
        durations: how long the handler took.
        pending: messages in the stream that no replica has been given yet, as last seen; None before.
        last_error: the latest failure.
    """

    received: int = 0
    handled: int = 0
    retried: int = 0
    scheduled: int = 0
    held: int = 0
    released: int = 0
    duplicates: int = 0
    dead_letters: Counter[str] = field(default_factory=Counter)
    pending: int | None = None
    durations: Durations = field(default_factory=Durations)
    last_error: dict[str, Any] | None = None

    def failed(self, error: BaseException) -> None:
        """Notes the latest failure."""
        self.last_error = noted(error)


def noted(error: BaseException) -> dict[str, Any]:
    """An error as `/stats` tells it."""
    return {
        "type": type(error).__name__,
        "message": _short(str(error)),
        "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
    }


def _short(text: str) -> str:
    return text[:500].encode(errors="replace").decode()  # JSON takes no lone surrogates
