"""A request, or a core NATS message, as an action or a listener sees it."""

from __future__ import annotations

from functools import cached_property
from typing import Any
from uuid import uuid4

from nats.aio.msg import Msg

from src.domain.events import Incoming
from src.infrastructure.decoding import decode_untyped


class Context(Incoming):
    """The message being handled, with its origin.

    Attributes:
        message: nats-py's message.
        action: the name of the action; None for a listener.
        error: what its handling failed with.
    """

    def __init__(self, message: Msg, action: str | None = None) -> None:
        self.message = message
        self.action = action
        self.error: BaseException | None = None

    @property
    def subject(self) -> str:
        """Return the subject that it was sent on."""
        return self.message.subject

    @property
    def headers(self) -> dict[str, str]:
        """Return the headers; empty if there are none."""
        return self.message.headers or {}

    @cached_property
    def payload(self) -> Any:
        """Return the payload: parsed if it is JSON, else as text, else as bytes."""
        return decode_untyped(self.message.data)

    @cached_property
    def correlation_id(self) -> str:
        """Return the `Correlation-Id` header, or an id created when first asked for."""
        return self.headers.get("Correlation-Id") or str(uuid4())

    def log_fields(self) -> dict[str, object]:
        """Return the subject, and the action if there is one."""
        return {"subject": self.subject, "action": self.action} if self.action else {"subject": self.subject}
