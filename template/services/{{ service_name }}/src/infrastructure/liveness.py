"""Finds out whether a connection to NATS is still alive."""

from __future__ import annotations

import asyncio
import random

from nats.aio.client import Client

from src.infrastructure.nats_internals import has_ended_loop, unsent_bytes


class Liveness:
    """Finds out whether a connection is dead although nats-py says that it is connected.

    Signs of life are the answer to a PING, many bytes received, or buffered bytes that were sent: a slow but busy link
    may answer late and still be healthy. A few bytes do not count, since a link may be dead in one direction.

    Silence is counted in looks, not by the clock: nobody listens while a handler blocks the loop.
    """

    LOOK = 0.5  # seconds between looks
    ASK_AFTER = 2.0  # seconds of silence, after which the server gets a PING
    DEAD_AFTER = (6.0, 8.0)  # seconds of silence; drawn at random so that a fleet does not reconnect at once
    MANY = 32 * 1024  # bytes received between two looks: a busy link of 0.5 Mbit/s
    ANSWER_LIMIT = 120  # seconds, never reached: an answer that nobody awaits would end nats-py's read loop

    def __init__(self, client: Client) -> None:
        self._client = client
        self._limit = random.uniform(*self.DEAD_AFTER)
        self._ping: asyncio.Task[float] | None = None
        self._silence = 0.0
        self._looked_at = asyncio.get_running_loop().time()
        self._received = self._unsent = 0

    def look(self) -> str:
        """Return why the connection is dead; empty while it is alive. Call this every `LOOK` seconds."""
        now = asyncio.get_running_loop().time()
        passed, self._looked_at = min(now - self._looked_at, self.LOOK), now
        if has_ended_loop(self._client):
            return "a task of nats-py has ended"
        self._silence = 0.0 if self._has_sign() else self._silence + passed
        if self._silence >= self._limit:
            return f"no sign of life for {self._silence:.1f} s"
        if self._silence >= self.ASK_AFTER and self._ping is None:
            self._ping = asyncio.create_task(self._client.rtt(self.ANSWER_LIMIT), name="nats-ping")
            self._ping.add_done_callback(lambda ping: ping.cancelled() or ping.exception())  # nobody may await it
        return ""

    def end(self) -> None:
        """Forget the PING that may be on its way: the connection is dead."""
        if self._ping:
            self._ping.cancel()

    def _has_sign(self) -> bool:
        received, self._received = self._received, self._client.stats["in_bytes"]
        before, self._unsent = self._unsent, unsent_bytes(self._client)
        answered = False
        if self._ping and self._ping.done():
            answered = not self._ping.cancelled() and self._ping.exception() is None
            self._ping = None
        return answered or self._received - received >= self.MANY or self._unsent < before
