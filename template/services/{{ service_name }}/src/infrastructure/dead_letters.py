"""Dead letters: messages that will not be tried again, kept with the reason in the stream `DLQ`.

A dead letter is the original payload and headers plus `Dlq-...` headers, on `dlq.<service>.<handler>`. A replay sends
it to `replay.<service>.<handler>`, which only the handler that failed consumes.
"""

from __future__ import annotations

import asyncio
import random
import re
import traceback
from contextlib import suppress
from datetime import UTC, datetime
from enum import StrEnum

import nats.errors
from nats.js.api import RetentionPolicy

from src.config import redacted
from src.infrastructure.errors import describe
from src.infrastructure.message import Message
from src.infrastructure.metrics import DEAD_LETTERS, WITHOUT_PAYLOAD
from src.infrastructure.nats_client import NatsClient, size_of
from src.infrastructure.provisioning import DLQ, ensure_dead_letters
from src.utils.logging import logger

ERROR_LENGTH = 1_000  # characters kept of the error's text
STACK_LENGTH = 4_000  # characters kept of its stack: the end, which says where
HEADERS_LENGTH = 65_000  # bytes of headers; the server takes 64 KiB
HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 7230's token, which is what nats-py sends


class Reason(StrEnum):
    """Why a message became a dead letter."""

    REJECTED = "rejected"  # the handler raised Reject
    INVALID = "invalid"  # the payload is not what the handler takes
    EXHAUSTED = "exhausted"  # every attempt failed
    CRASHED = "crashed"  # the worker did not survive any of its attempts


class DeadLetters:
    """The dead letters of one handler.

    Args:
        nats: the connection.

    Attributes:
        unsaved: messages whose letter could not be stored yet, each with the task that tries again.
    """

    ORIGINAL_KEPT = 24 * 3600.0  # seconds between deliveries of a message whose letter could not hold its payload

    def __init__(self, nats: NatsClient) -> None:
        self.unsaved: dict[Message, asyncio.Task[None]] = {}
        self._nats = nats

    async def give_up(self, message: Message, reason: Reason, error: BaseException | None) -> None:
        """Store the letter, then settle the original. If the letter cannot be stored, try again in the background.

        The letter is repeated, not the handler. The worker keeps the message alive meanwhile.
        """
        try:
            await self._store(message, reason, error)
        except Exception as failure:
            logger.error("dead letter not stored: trying again", reason=reason.value, error=describe(failure))
            self.unsaved[message] = asyncio.create_task(self._store_later(message, reason, error))
            if message.source:
                message.source.hold(len(message.data))  # it takes room, so that fewer messages are requested

    async def stored(self, message: Message, reason: Reason, error: BaseException | None) -> None:
        """Do what a subclass needs after a letter is stored and before its original is settled."""

    async def stop(self) -> None:
        """Give back the messages whose letters could not be stored."""
        for message, task in list(self.unsaved.items()):
            task.cancel()
            await message.nak()

    async def _store_later(self, message: Message, reason: Reason, error: BaseException | None) -> None:
        delay = 0.5
        while message in self.unsaved:
            await asyncio.sleep(delay * random.uniform(0.8, 1.2))
            delay = min(2 * delay, 10.0)
            try:
                await ensure_dead_letters(self._nats)  # the stream may be missing
                await self._store(message, reason, error)
                del self.unsaved[message]
                if message.source:
                    message.source.started(len(message.data))
            except Exception as failure:
                logger.warning("dead letter not stored: trying again", error=describe(failure))

    async def _store(self, message: Message, reason: Reason, error: BaseException | None) -> None:
        headers = self._headers(message, reason, error)
        data = self._fit(message.data, headers)
        await self._nats.publish(f"dlq.{self._nats.service}.{message.handler}", data, headers)
        has_payload = "Dlq-Payload" not in headers  # else it names the original
        await self.stored(message, reason, error)
        if not has_payload:
            WITHOUT_PAYLOAD.labels(message.handler).inc()
            logger.error("payload does not fit into its dead letter: the original is kept", stream=message.stream)
        info = None if has_payload or message.replayed else await self._nats.jetstream.stream_info(message.stream)
        if info is None or info.config.retention == RetentionPolicy.LIMITS:  # the stream keeps the original
            await message.term(reason.value)
        else:
            await message.nak(self.ORIGINAL_KEPT)
        if has_payload and message.replayed:
            await self.remove_replayed(message)
        DEAD_LETTERS.labels(message.handler, reason.value).inc()
        bug = error if reason is Reason.EXHAUSTED else None  # otherwise the stack says nothing about the handler
        logger.error("dead letter", reason=reason.value, error=error and describe(error), exc_info=bug)

    async def remove_replayed(self, message: Message) -> None:
        """Remove a replayed message that was settled from the stream; if that fails, it stays and does no harm."""
        with suppress(nats.errors.Error):
            await self._nats.jetstream.delete_msg(DLQ, message.replay_sequence)

    def _fit(self, data: bytes, headers: dict[str, str]) -> bytes:
        """Return the payload; drop the long headers, then other headers, and last the payload, until all of it fits."""
        limit = self._nats.client.max_payload

        def fits(payload: bytes) -> bool:
            return size_of(payload, headers) <= limit and size_of(b"", headers) <= HEADERS_LENGTH

        for name in ("Dlq-Stack", "Dlq-Error"):
            if fits(data):
                return data
            headers.pop(name, None)
        if size_of(b"", headers) > HEADERS_LENGTH:
            for name in [name for name in headers if not name.startswith(("Dlq-", "Nats-", "Correlation-"))]:
                del headers[name]
            headers["Dlq-Dropped-Headers"] = "all: they did not fit"
        if fits(data):
            return data
        headers["Dlq-Payload"] = "original"
        return b""

    def _headers(self, message: Message, reason: Reason, error: BaseException | None) -> dict[str, str]:
        """Return the message's headers, where it comes from, and why it failed.

        Headers that instruct the server (Nats-Expected-..., Nats-TTL, Nats-Rollup) were meant for the original stream.
        """
        kept = {name: text for name, text in message.headers.items() if not name.lower().startswith(("nats-", "dlq-"))}
        headers = {name: text for name, text in kept.items() if HEADER_NAME.fullmatch(name)}
        if dropped := sorted(kept.keys() - headers.keys()):
            headers["Dlq-Dropped-Headers"] = one_line(", ".join(dropped))  # nats-py sends no such names
        headers |= {
            "Nats-Msg-Id": f"dlq.{self._nats.service}.{message.identity}",
            "Correlation-Id": message.correlation_id,
            "Dlq-Reason": reason.value,
            "Dlq-Failed-At": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "Dlq-Attempts": str(message.attempt),
            "Dlq-Service": self._nats.service,
            "Dlq-Handler": message.handler,
            "Dlq-Subject": message.subject,
            "Dlq-Stream": message.stream,
            "Dlq-Sequence": str(message.sequence),
            "Dlq-Stored-At": message.first_stored_at,
            "Dlq-Msg-Id": message.id,
        }
        if error is not None:
            headers |= {
                "Dlq-Error-Type": type(error).__name__,
                "Dlq-Error": one_line(redacted(str(error))[:ERROR_LENGTH]),
                "Dlq-Stack": one_line(redacted("".join(traceback.format_exception(error)))[-STACK_LENGTH:]),
            }
        return headers


def one_line(text: str) -> str:
    """Return text for a header, which holds one line: line breaks become the two characters `\\n`."""
    return "\\n".join(text.encode(errors="replace").decode().splitlines())
