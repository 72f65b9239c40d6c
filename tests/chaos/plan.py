"""What is published in a row, decided before it starts by the row's seed alone."""

from __future__ import annotations

import json
import random
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tests.chaos.handler import FLAKY_PERCENT, SUBJECT

KEYS = 50
"""Aggregates. Each has its events published one after the other, so this is also how many publishes overlap at most."""

UNDECODABLE, INVALID = "undecodable", "invalid"
POISON = {UNDECODABLE: "invalid", INVALID: "invalid", "reject": "rejected", "exit": "crashed", "kill": "crashed"}
"""What becomes of an event that says so: the reason of its dead letter."""


@dataclass(frozen=True)
class PlannedEvent:
    """One event: `do` is what its handler is to do, `size` how large message and headers are to be (0: no matter)."""

    id: str
    key: str
    sequence: int
    do: str
    size: int = 0

    @property
    def headers(self) -> dict[str, str]:
        return {"Nats-Msg-Id": self.id}

    @property
    def payload(self) -> bytes:
        if self.do == UNDECODABLE:
            return self._filled(b'{"id": "' + self.id.encode() + b'", "data": ', b"")
        if self.do == INVALID:
            return self._filled(b'{"id": "' + self.id.encode() + b'", "padding": "', b'"}')
        event = {
            "id": self.id,
            "type": SUBJECT,
            "timestamp": "2024-01-15T10:00:00Z",
            "aggregateId": self.key,
            "data": {"do": self.do, "sequence": self.sequence},
        }
        return self._filled(json.dumps(event)[:-2].encode() + b', "padding": "', b'"}}')

    def _filled(self, start: bytes, end: bytes) -> bytes:
        return start + b"x" * (self.size - header_size(self.headers) - len(start) - len(end)) + end


def header_size(headers: Mapping[str, str]) -> int:
    """The bytes that headers add to a message, which count against the server's `max_payload`."""
    return len("NATS/1.0\r\n\r\n") + sum(len(f"{name}: {value}\r\n") for name, value in headers.items())


class Plan:
    """The events of a row in the order of their publication, and which dead letters are expected of them.

    `shares` is what part of the events (an integer: how many) does something else than "work", and `large` are
    further such events with the bytes of their headers and payload. They are spread by the seed over the whole traffic
    but for its first tenth.
    """

    def __init__(
        self,
        count: int,
        seed: int,
        shares: Mapping[str, float],
        *,
        max_attempts: int,
        large: Sequence[tuple[str, int]] = (),
    ) -> None:
        special = [(do, 0) for do, share in shares.items() for _ in range(_number(share, count))]
        special.extend(large)
        places = random.Random(seed).sample(range(count // 10, count), len(special))
        special_at = dict(zip(places, special, strict=True))
        self.events = [
            PlannedEvent(
                f"evt-{seed}-{number}", f"key-{number % KEYS}", number // KEYS, *special_at.get(number, ("work", 0))
            )
            for number in range(count)
        ]
        self.expected_letters = {
            event.id: reason for event in self.events if (reason := _expected_reason(event, max_attempts))
        }


def _number(share: float, count: int) -> int:
    return share if isinstance(share, int) else int(share * count)


def _expected_reason(event: PlannedEvent, max_attempts: int) -> str | None:
    if event.do == "flaky":
        fails = all(
            zlib.crc32(f"{event.id}:{attempt}".encode()) % 100 < FLAKY_PERCENT for attempt in range(1, max_attempts + 1)
        )
        return "exhausted" if fails else None
    return POISON.get(event.do)
