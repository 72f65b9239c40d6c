"""Finds out whether a connection to NATS is still alive, and what the server refuses."""

from __future__ import annotations

import asyncio
import random
import re
import time
from math import inf

from nats.aio.client import Client

from src.infrastructure.nats_internals import has_ended_loop, unsent_bytes
from src.utils.logging import logger

LOOK = 0.5  # seconds between looks
ASK_AFTER = 2.0  # seconds of silence, after which the server gets a PING
DEAD_AFTER = (6.0, 8.0)  # seconds of silence; drawn at random so that a fleet does not reconnect at once
ANSWER_LIMIT = 120  # seconds, never reached: an answer that nobody awaits would end nats-py's read loop
REFUSED_FOR = 10.0  # seconds after a refusal in which the worker is not ready
ACK_MARGIN = 1.0  # seconds that a message takes to come again; its keep-alive follows within a third of `ack_wait`
REFUSAL = re.compile(r'permissions violation for (publish|subscription) to "([^"]*)"')  # nats-py says it in lower case
MANY = 32 * 1024  # bytes received between two looks: a busy link of 0.5 Mbit/s


async def until_silent(client: Client) -> None:
    """Return when a connection is dead, although nats-py may say that it is connected.

    Signs of life are the answer to a PING, many bytes received, or buffered bytes that were sent: a slow but busy link
    may answer late and still be healthy. A few bytes do not count, since a link may be dead in one direction.

    Silence is counted in looks, not by the clock: nobody listens while a handler blocks the loop.
    """
    limit = random.uniform(*DEAD_AFTER)
    silence, received, unsent = 0.0, 0, 0
    ping: asyncio.Task[float] | None = None
    try:
        while silence < limit and not has_ended_loop(client):
            await asyncio.sleep(LOOK)
            silence += LOOK
            already_received, received = received, client.stats["in_bytes"]
            already_unsent, unsent = unsent, unsent_bytes(client)
            if received - already_received >= MANY or unsent < already_unsent:
                silence = 0.0
            if ping and ping.done():
                silence = silence if ping.cancelled() or ping.exception() else 0.0
                ping = None
            if silence >= ASK_AFTER and ping is None:
                ping = asyncio.create_task(client.rtt(ANSWER_LIMIT), name="nats-ping")
    finally:
        if ping and not ping.cancel() and not ping.cancelled():
            ping.exception()  # which nobody awaits


class Refusals:
    """The refusals of the last `REFUSED_FOR` seconds: the service's user lacks permissions for them."""

    def __init__(self) -> None:
        self._until: dict[str, float] = {}
        self._latest_ack = -inf

    def __str__(self) -> str:
        """Return the refusals in one line; empty if there are none."""
        return "; ".join(what for what, until in self._until.items() if until > time.monotonic())

    def acks_within(self, ack_wait: float) -> bool:
        """Return whether acks are refused: a message that came again after `ack_wait` has not been kept alive since."""
        return self._latest_ack > time.monotonic() - 1.5 * ack_wait - ACK_MARGIN

    def note(self, error: str) -> str:
        """Note a refusal, log it unless it is known, and return whether it is about a `publish` or a `subscription`."""
        if (found := REFUSAL.search(error)) is None:
            return ""
        (kind, subject), now = found.groups(), time.monotonic()
        subject = re.sub(r"^(\$js\.ack|_inbox[^.]*)\..*", r"\1.>", subject)  # each message or connection has another
        self._latest_ack = now if subject == "$js.ack.>" else self._latest_ack
        what = f"permissions violation for {kind} to {subject}"
        self._until = {other: until for other, until in self._until.items() if until > now}
        if what not in self._until:
            logger.error("the server refuses", error=what)
        self._until[what] = now + REFUSED_FOR
        return str(kind)
