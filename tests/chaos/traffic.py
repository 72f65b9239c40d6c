"""A publisher that never gives up: every event is offered until its stream has confirmed it."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict

import nats.errors
import nats.js.errors
from nats.js import JetStreamContext

from tests.chaos.handler import SUBJECT
from tests.chaos.plan import Plan, PlannedEvent

CONFIRMATION_SECONDS = 1.0
"""How long one try may take. What was stored without our hearing of it is not stored twice, by its `Nats-Msg-Id`."""

RETRY_SECONDS = 0.1


class Traffic:
    """Publishes a plan at `rate` events a second; the events of one key one after the other, keys side by side.

    The last of them wait for `end`, so that the traffic outlasts the fault on a slow machine too. All times are those
    of the monotonic clock, which other processes of this machine read alike.

    Attributes:
        offered: when each event was tried to be published first.
        confirmed: when its stream confirmed it.
        refused: what was said of events that are too large to be published at all.
    """

    LAST = 0.1  # part of the plan that is kept for the end; faults begin before, see `Run.moments`

    def __init__(self, jetstream: JetStreamContext, plan: Plan, rate: float) -> None:
        self._jetstream = jetstream
        self._plan = plan
        self._rate = rate
        self._held: set[str] = set()
        self._released = asyncio.Event()
        self._ending = asyncio.Event()
        self.offered: dict[str, float] = {}
        self.confirmed: dict[str, float] = {}
        self.refused: dict[str, str] = {}

    @property
    def progress(self) -> float:
        """The part of the plan that is done, 0 to 1."""
        return (len(self.confirmed) + len(self.refused)) / len(self._plan.events)

    async def run(self) -> None:
        """Publishes all of it; returns some time after `end`."""
        start = time.monotonic()
        by_key: dict[str, list[tuple[float, PlannedEvent]]] = defaultdict(list)
        for number, event in enumerate(self._plan.events):
            by_key[event.key].append((start + number / self._rate, event))
        kept = {event.id for event in self._plan.events[int(len(self._plan.events) * (1 - self.LAST)) :]}
        async with asyncio.TaskGroup() as group:
            for events in by_key.values():
                group.create_task(self._publish_key(events, kept))

    def hold(self, kinds: set[str]) -> None:
        """Offer no events of these kinds, nor what comes after them for the same key, until `release`."""
        self._held = kinds
        self._released.clear()

    def release(self) -> None:
        """Offer what is held."""
        self._held = set()
        self._released.set()

    def end(self) -> None:
        """The fault is over: offer the last events."""
        self._ending.set()

    async def _publish_key(self, events: list[tuple[float, PlannedEvent]], kept: set[str]) -> None:
        for due, event in events:
            if (early := due - time.monotonic()) > 0:
                await asyncio.sleep(early)  # the pace of the traffic
            if event.id in kept:
                await self._ending.wait()
            while event.do in self._held:
                await self._released.wait()
            self.offered[event.id] = time.monotonic()
            await self._publish(event)

    async def _publish(self, event: PlannedEvent) -> None:
        payload, headers = event.payload, event.headers
        while True:
            try:
                await self._jetstream.publish(SUBJECT, payload, timeout=CONFIRMATION_SECONDS, headers=headers)
            except nats.errors.MaxPayloadError as error:
                self.refused[event.id] = str(error)
                return
            except (nats.errors.Error, TimeoutError, OSError):
                await asyncio.sleep(RETRY_SECONDS)  # the pace of the traffic
            else:
                self.confirmed[event.id] = time.monotonic()
                return
