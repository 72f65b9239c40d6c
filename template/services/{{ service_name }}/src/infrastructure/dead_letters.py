"""Messages that will not be tried again, kept with why in the stream `DLQ`.

A dead letter is the original payload and headers plus `Dlq-...` headers, on `dlq.<service>.<handler>`.
"""

from __future__ import annotations

import re
import traceback
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from enum import StrEnum

from nats.js.errors import NoStreamResponseError

from src.infrastructure.message import Message
from src.infrastructure.nats_client import NatsClient

STREAM = "DLQ"
SUBJECTS = ["dlq.>", "replay.>"]  # replay.<service>.<handler> is where a letter is sent back to its handler

ERROR_LENGTH = 1_000  # characters kept of the error's text
HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 7230's token, which is what nats-py sends
HEADER_FRAME = 64  # bytes around the headers, and some to spare
STACK_LENGTH = 4_000  # characters kept of its stack; the end, which says where


class Reason(StrEnum):
    """Why a message was given up."""

    REJECTED = "rejected"  # the handler said so
    INVALID = "invalid"  # its payload is not what the handler takes
    EXHAUSTED = "exhausted"  # every attempt failed
    CRASHED = "crashed"  # the worker did not survive any of its attempts


class TooLarge(Exception):
    """Payload and headers together are more than the server takes in one message."""


class DeadLetters:
    """Publishes the dead letters of one service.

    Args:
        nats: the connection.
        service: the service's name.
        provision: makes sure that the stream exists; called when it turns out not to.
    """

    def __init__(self, nats: NatsClient, service: str, provision: Callable[[], Awaitable[None]]) -> None:
        self._nats = nats
        self._service = service
        self._provision = provision

    async def publish(self, message: Message, reason: Reason, error: BaseException | None) -> None:
        """Keeps a message as a dead letter; returns when the stream has confirmed it.

        The `Nats-Msg-Id` is the same for every try, so that the stream keeps one letter when a confirmation is lost.

        Raises:
            nats.errors.Error: the stream did not confirm.
            TooLarge: it cannot be published. Sending it all the same would cost the whole worker its connection.
        """
        subject = f"dlq.{self._service}.{message.handler}"
        headers = self._fitting(message, self._headers(message, reason, error))
        try:
            await self._nats.publish(subject, message.data, headers=headers)
        except NoStreamResponseError:
            await self._provision()
            await self._nats.publish(subject, message.data, headers=headers)

    def _fitting(self, message: Message, headers: dict[str, str]) -> dict[str, str]:
        """The headers without those that explain most at length, if it takes that."""
        limit = self._nats.client.max_payload
        for spare in ("Dlq-Stack", "Dlq-Error", None):
            size = len(message.data) + sum(len(f"{name}: {value}\r\n".encode()) for name, value in headers.items())
            if size + HEADER_FRAME <= limit:
                return headers
            headers.pop(spare or "", None)
        raise TooLarge(f"payload and headers are {size} bytes, and the server takes {limit} (max_payload)")

    def _headers(self, message: Message, reason: Reason, error: BaseException | None) -> dict[str, str]:
        # Headers of the original that instruct the server (Nats-Expected-..., Nats-TTL, Nats-Rollup) were for the
        # original's stream; here they would be refused or do harm.
        kept = {name: value for name, value in message.headers.items() if not name.lower().startswith("nats-")}
        headers = {name: value for name, value in kept.items() if HEADER_NAME.fullmatch(name)}
        if dropped := sorted(kept.keys() - headers.keys()):
            headers["Dlq-Dropped-Headers"] = _one_line(", ".join(dropped))  # nats-py sends no such names
        headers |= {
            "Nats-Msg-Id": f"dlq.{self._service}.{message.handler}.{message.stream}.{message.sequence}."
            f"{message.stored_at.timestamp()}",
            "Correlation-Id": message.correlation_id,
            "Dlq-Reason": reason.value,
            "Dlq-Attempts": str(message.attempt),
            "Dlq-Service": self._service,
            "Dlq-Handler": message.handler,
            "Dlq-Subject": message.subject,
            "Dlq-Stream": message.stream,
            "Dlq-Sequence": str(message.sequence),
            "Dlq-Msg-Id": message.id,
            "Dlq-Failed-At": datetime.now(UTC).isoformat(timespec="milliseconds"),
        }
        if error is not None:
            stack = "".join(traceback.format_exception(error))[-STACK_LENGTH:]
            headers |= {
                "Dlq-Error-Type": type(error).__name__,
                "Dlq-Error": _one_line(str(error)[:ERROR_LENGTH]),
                "Dlq-Stack": _one_line(stack),
            }
        return headers


def _one_line(text: str) -> str:
    """A header holds one line: line breaks become the two characters `\\n`."""
    return "\\n".join(text.encode(errors="replace").decode().splitlines())
