"""A JetStream message as a handler sees it, and the ways to settle it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Protocol

from nats.aio.msg import Msg

from src.domain.events import current
from src.infrastructure.nats_client import NatsClient
from src.infrastructure.publishing import Publications

# https://docs.nats.io/reference/reference-protocols/nats_api_reference#acknowledging-messages
ACK = b"+ACK"
NAK = b"-NAK"
TERM = b"+TERM"
IN_PROGRESS = b"+WPI"


class Source(Protocol):
    """What brings messages, and requests more as they are started."""

    def hold(self, size: int) -> None:
        """Count a message of `size` bytes as not started."""

    def started(self, size: int) -> None:
        """Count a message of `size` bytes as started."""


class Message(Publications):
    """One delivery of one message to one handler.

    `ack`, `ack_sync`, `nak` and `term` settle it. If the handler does that itself, the worker does not. Only the first
    settlement counts.

    Attributes:
        handler: the handler's name.
        data: the payload as it was published.
        source: what brought it; None in unit tests.
        replayed: whether it came on the handler's replay subject; then its `Dlq-` headers name the original.
        attempt: the number of this attempt, 1 for the first.
        started: when the handler was called, on the monotonic clock; 0 if it was not.
        noted: whether this attempt was noted; see attempts.py.
        alone: whether it runs with nothing beside it.
        settled: whether it has been settled.
        given_back: whether it was settled by `nak`, so that it is delivered again.
    """

    __slots__ = (
        *("_raw", "data", "handler", "source", "replayed"),
        *("attempt", "started", "noted", "alone", "settled", "given_back"),
    )

    def __init__(
        self, raw: Msg, handler: str, nats: NatsClient, source: Source | None = None, replayed: bool = False
    ) -> None:
        super().__init__(nats)
        self._raw = raw
        self.data = raw.data
        self.handler = handler
        self.source = source
        self.replayed = replayed
        self.attempt = 1
        self.started = 0.0
        self.noted = self.alone = self.settled = self.given_back = False

    @property
    def subject(self) -> str:
        """Return the subject that the message was published on."""
        return self._original("Dlq-Subject") or self._raw.subject

    @property
    def headers(self) -> dict[str, str]:
        """Return the headers as published; empty if there are none."""
        return self._raw.headers or {}

    @property
    def deliveries(self) -> int:
        """Return how many times the server has delivered it, also if no handler was called."""
        tokens = self._raw.reply.split(".")
        if len(tokens) == 9:  # the common form; nats-py's `metadata` knows all of them, and takes longer
            return int(tokens[4])
        return self._raw.metadata.num_delivered or 1

    @property
    def stream(self) -> str:
        """Return the name of the stream that the message was published to."""
        return self._original("Dlq-Stream") or self._raw.metadata.stream

    @property
    def sequence(self) -> int:
        """Return the message's sequence in that stream."""
        original = self._original("Dlq-Sequence")
        return int(original) if original.isdecimal() else self._raw.metadata.sequence.stream

    @property
    def stored_at(self) -> datetime:
        """Return when the stream that this delivery comes from stored it, in UTC."""
        return self._raw.metadata.timestamp

    @property
    def first_stored_at(self) -> str:
        """Return when the original stream stored it, in epoch seconds; empty if unknown."""
        return self._original("Dlq-Stored-At") if self.replayed else str(self.stored_at.timestamp())

    @property
    def id(self) -> str:
        """Return the publisher's `Nats-Msg-Id`, else the `Task-Id`, else `<stream>:<sequence>`."""
        headers = self.headers  # the server drops the `Nats-Msg-Id` of a delayed task
        own = self._original("Dlq-Msg-Id") or headers.get("Nats-Msg-Id") or headers.get("Task-Id")
        return own or f"{self.stream}:{self.sequence}"

    @property
    def replay_sequence(self) -> int:
        """Return the sequence of a replayed message in the stream `DLQ`."""
        return self._raw.metadata.sequence.stream

    @property
    def identity(self) -> str:
        """Return a text that is unique for each stored message and handler, even if the stream is recreated."""
        metadata = self._raw.metadata
        return f"{self.handler}.{metadata.stream}.{metadata.sequence.stream}.{metadata.timestamp.timestamp()}"

    @property
    def dedup_key(self) -> str:
        """Return the key that the inbox knows the message by, the same for every delivery and every replay.

        A recreated stream counts from 1 again. Without a publisher's id, the time tells its messages from the old ones.
        """
        if (identity := self.id) == f"{self.stream}:{self.sequence}":
            return f"{self.handler}:{identity}:{self.first_stored_at}"
        return f"{self.handler}:{identity}"

    @property
    def correlation_id(self) -> str:
        """Return the `Correlation-Id` header, else the message's own id, which then starts the chain."""
        return self.headers.get("Correlation-Id") or self.id

    @property
    def causation_id(self) -> str:
        """Return the message's id: it causes what its handler publishes."""
        return self.id

    def log_fields(self) -> dict[str, object]:
        """Return the fields that identify the message in every log line."""
        return {"subject": self.subject, "message_id": self.id, "handler": self.handler, "attempt": self.attempt}

    @contextmanager
    def bound(self) -> Iterator[None]:
        """Bind the message to what is logged, published and created in the block.

        The worker does this for single messages. In a handler of `list[...]` do it yourself, for each message in turn.
        """
        token = current.set(self)
        try:
            yield
        finally:
            current.reset(token)

    async def ack(self) -> None:
        """Settle the message as handled: the server does not deliver it to this durable again."""
        self.settle(ACK)

    async def ack_sync(self) -> None:
        """Settle the message as handled, and wait for the server's confirmation.

        Raises:
            nats.errors.Error: the server did not confirm; it may deliver the message again.
        """
        if not self.settled:
            await self._nats.answer_confirmed(self._raw.reply, ACK)
            self.settled = True

    async def nak(self, delay: float | None = None) -> None:
        """Give the message back. It is delivered again after `delay` seconds, at once by default."""
        if not self.settled:
            self.settle(NAK if not delay else NAK + b" " + json.dumps({"delay": int(delay * 1e9)}).encode())
            self.given_back = True

    async def term(self, reason: str = "") -> None:
        """Settle the message as never to be delivered again. The server's advisory shows the reason."""
        self.settle(TERM + b" " + reason.encode() if reason else TERM)

    async def in_progress(self) -> None:
        """Restart the server's `ack_wait`. You can call this as often as you need."""
        if not self.settled and self._nats.connected:
            self._nats.answer(self._raw.reply, IN_PROGRESS)

    def _original(self, name: str) -> str:
        return self.headers.get(name, "") if self.replayed else ""

    def settle(self, payload: bytes) -> None:
        """Answer the server, unless that has been done; the other methods do it for handlers."""
        if not self.settled:
            self._nats.answer(self._raw.reply, payload)
            self.settled = True
