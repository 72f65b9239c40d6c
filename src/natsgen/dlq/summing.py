"""How many letters there are of what."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from natsgen.dlq.letters import Summary


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
    """The letters by service, handler and reason, sorted."""
    times: dict[tuple[str, str, str], list[datetime]] = {}
    for letter in letters:
        times.setdefault((letter.service, letter.handler, letter.reason), []).append(letter.when)
    return [Group(*key, len(found), min(found), max(found)) for key, found in sorted(times.items())]
