"""A message outside of JetStream, as an action or a listener sees it."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from nats.aio.msg import Msg

from src.infrastructure.handling.context import Incoming
from src.infrastructure.handling.decoding import decode_untyped

UNREAD = object()


class Context(Incoming):
    """What came, and where from.

    Attributes:
        message: the message as nats-py has it.
        action: name of the action that it is for; None for a listener's.
    """

    __slots__ = ("_correlation_id", "_payload", "action", "message")

    def __init__(self, message: Msg, action: str | None = None) -> None:
        self.message = message
        self.action = action
        self._payload: Any = UNREAD
        self._correlation_id = ""

    @property
    def subject(self) -> str:
        """The subject that it was sent on."""
        return self.message.subject

    @property
    def headers(self) -> dict[str, str]:
        """The headers; empty when there are none."""
        return self.message.headers or {}

    @property
    def payload(self) -> Any:
        """The payload: what its JSON says, else its text, else the bytes."""
        if self._payload is UNREAD:
            self._payload = decode_untyped(self.message.data)
        return self._payload

    @property
    def correlation_id(self) -> str:
        """The `Correlation-Id` header, else one that is made when first asked for."""
        if not self._correlation_id:
            self._correlation_id = self.headers.get("Correlation-Id") or str(uuid4())
        return self._correlation_id

    def log_fields(self) -> dict[str, str]:
        """The subject, and the action that it is for."""
        return {"subject": self.subject, **({"action": self.action} if self.action else {})}
