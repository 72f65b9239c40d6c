"""What is being handled right now, for code that is not handed the message: logs, new events, publishing."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from src.infrastructure.message import Message
    from src.infrastructure.publication import Publications

# Set while a handler runs, also for what it calls, for tasks that it starts and for `asyncio.to_thread`.
current_message: ContextVar[Message | None] = ContextVar("current_message", default=None)

# Set while a batch handler runs, of which no single message is the current one: what it publishes is waited for too.
batch_publications: ContextVar[Publications | None] = ContextVar("batch_publications", default=None)
