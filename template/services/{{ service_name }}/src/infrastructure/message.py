"""A JetStream message as a handler sees it, and the ways to settle it."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from datetime import datetime

from nats.aio.msg import Msg

# Payloads of the acknowledgement protocol,
# https://docs.nats.io/reference/reference-protocols/nats_api_reference#acknowledging-messages
ACK = b"+ACK"
NAK = b"-NAK"
TERM = b"+TERM"
IN_PROGRESS = b"+WPI"

# nats-py's own `term()` takes no reason and its `nak()` refuses a second answer with an exception of its own,
# so the answers are published here: reply subject and payload in, nothing out.
Answer = Callable[[str, bytes], Awaitable[None]]


class Message:
    """One delivery of one message.

    `ack`, `nak`, `term` settle it; what a handler settles is left alone by the worker. A second settlement is
    ignored, since only the first counts on the server.

    Attributes:
        handler: name of the handler that it is for.
        attempt: which attempt of the handler this is, 1 for the first.
        settled: whether it has been settled.
        given_back: whether that was by `nak`, so that it will come again.
    """

    __slots__ = ("_answer", "_raw", "attempt", "given_back", "handler", "settled")

    def __init__(self, raw: Msg, handler: str, answer: Answer) -> None:
        self._raw = raw
        self._answer = answer
        self.handler = handler
        self.attempt = 1
        self.settled = False
        self.given_back = False

    @property
    def subject(self) -> str:
        """The subject that the message was published on."""
        return self._raw.subject

    @property
    def data(self) -> bytes:
        """The payload as it was published."""
        return self._raw.data

    @property
    def headers(self) -> dict[str, str]:
        """The headers as they were published; empty when there are none."""
        return self._raw.headers or {}

    @property
    def deliveries(self) -> int:
        """How many times the server has delivered the message, also where no handler came to it; at least `attempt`."""
        return self._raw.metadata.num_delivered

    @property
    def stream(self) -> str:
        """Name of the stream that holds the message."""
        return self._raw.metadata.stream

    @property
    def sequence(self) -> int:
        """The message's sequence in its stream."""
        return self._raw.metadata.sequence.stream

    @property
    def stored_at(self) -> datetime:
        """When the stream stored the message, in UTC."""
        return self._raw.metadata.timestamp

    @property
    def id(self) -> str:
        """The publisher's `Nats-Msg-Id`, else `<stream>:<sequence>`."""
        return self.headers.get("Nats-Msg-Id") or f"{self.stream}:{self.sequence}"

    @property
    def inbox_key(self) -> str:
        """What the inbox knows it by: each handler of a service handles the message once."""
        return f"{self.handler}:{self.id}"

    @property
    def correlation_id(self) -> str:
        """The `Correlation-Id` header, else the message's own id: it starts the chain."""
        return self.headers.get("Correlation-Id") or self.id

    async def ack(self) -> None:
        """Handled: the server will not deliver it to this durable again."""
        await self._settle(ACK)

    async def nak(self, delay: float | None = None) -> None:
        """Not handled: delivered again after `delay` seconds, at once without one."""
        if not self.settled:
            await self._settle(NAK if not delay else NAK + b" " + json.dumps({"delay": int(delay * 1e9)}).encode())
            self.given_back = True

    async def term(self, reason: str = "") -> None:
        """Never to be delivered again; the reason is shown in the server's advisory."""
        await self._settle(TERM + b" " + reason.encode() if reason else TERM)

    async def in_progress(self) -> None:
        """Starts the server's `ack_wait` anew; may be called as often as needed."""
        if not self.settled:
            await self._answer(self._raw.reply, IN_PROGRESS)

    async def _settle(self, payload: bytes) -> None:
        if self.settled:
            return
        await self._answer(self._raw.reply, payload)
        self.settled = True


# The message that the current task handles; the log takes its bound fields from it.
current_message: ContextVar[Message | None] = ContextVar("current_message", default=None)
