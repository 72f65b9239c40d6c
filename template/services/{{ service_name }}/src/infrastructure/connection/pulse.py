"""Whether a connection to NATS lives, judged by what passes over it: nats-py's own flag stays true on a dead one."""

from __future__ import annotations

import asyncio

from nats.aio.client import Client

from src.infrastructure.connection.nats_internals import count_received, ended_loop, unsent


class Pulse:
    """One client's signs of life.

    A sign of life is the answer to a PING, a good many bytes received, or bytes that were waiting and have been sent: a
    slow link with much to carry answers late, and lives. Few bytes are none: over a link that has died in one direction
    the server still sends heartbeats, and the messages that it was asked for before.

    Silence is counted in looks, not by the clock: while a handler blocks the loop, or the process is stopped, nobody
    listens, and the server must not be blamed for that.

    Args:
        client: before it connects.
    """

    LOOK = 0.5  # seconds between looks
    ASK_AFTER = 2.0  # seconds of silence, after which the server is sent a PING
    DEAD_AFTER = 6.0  # seconds of silence: a server that stood still for 3 s keeps its connection
    MANY = 32 * 1024  # bytes received between two looks: what a link of 0.5 Mbit/s brings when it is busy
    ANSWER_LIMIT = 120  # seconds, never reached: an answer that nobody awaits any more ends nats-py's read loop

    def __init__(self, client: Client) -> None:
        self._client = client
        self._parser = count_received(client)
        self._ping: asyncio.Task[float] | None = None
        self._silence = 0.0
        self._looked_at = 0.0
        self._unsent = 0

    def start_anew(self) -> None:
        """The connection is another one, or there is none; not for a living one, whose answer may be on its way."""
        if self._ping:
            self._ping.cancel()
        self._ping = None
        self._silence = 0.0
        self._looked_at = asyncio.get_running_loop().time()
        self._unsent = 0

    def look(self) -> str:
        """Why the connection is dead, in a few words; empty while it lives. To be called every `LOOK` seconds."""
        now = asyncio.get_running_loop().time()
        passed, self._looked_at = min(now - self._looked_at, self.LOOK), now
        if loop := ended_loop(self._client):
            return f"nats-py's {loop} has ended"
        self._silence = 0.0 if self._has_sign() else self._silence + passed
        if self._silence >= self.DEAD_AFTER:
            return f"no sign of life for {self._silence:.1f} s"
        if self._silence >= self.ASK_AFTER and self._ping is None:
            self._ping = asyncio.create_task(self._client.rtt(self.ANSWER_LIMIT), name="nats-ping")
        return ""

    def _has_sign(self) -> bool:
        """Whether there has been a sign of life since the last look."""
        received, self._parser.received = self._parser.received, 0
        before, self._unsent = self._unsent, unsent(self._client)
        answered = False
        if self._ping and self._ping.done():
            answered = not self._ping.cancelled() and self._ping.exception() is None
            self._ping = None
        return answered or received >= self.MANY or self._unsent < before
