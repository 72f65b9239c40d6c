"""What the worker expects of an inbox; the package `src/inbox` has one."""

from __future__ import annotations

from enum import Enum, auto
from typing import Protocol

from src.infrastructure.message import Message


class Claim(Enum):
    """What the inbox knows of a message."""

    TAKEN = auto()  # this worker handles it now
    HELD = auto()  # another worker handles it right now
    DONE = auto()  # it has been handled


class Inbox(Protocol):
    """Remembers which messages were handled, so that none is handled twice."""

    @property
    def trouble(self) -> str:
        """Return why handled messages wait for the store; empty while they do not."""

    def check(self, handler: str, lease: float) -> None:
        """Raise ConfigurationError if the store would forget a claim of `lease` seconds."""

    async def claim(self, message: Message, lease: float) -> Claim:
        """Claim a message for `lease` seconds; raises if the store cannot be reached and messages wait for it."""

    async def done(self, message: Message) -> None:
        """Note that a message was handled; return once the store has it."""

    async def release(self, message: Message) -> None:
        """Give up a claim, so that the next attempt does not wait for its end."""

    async def renew(self, handler: str) -> None:
        """Extend the claims of a handler's running messages."""

    async def close(self) -> None:
        """Close connections."""
