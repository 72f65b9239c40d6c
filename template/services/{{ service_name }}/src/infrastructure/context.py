"""What is being handled right now, for code that is not handed the message: logs, new events, publishing, calls."""

from __future__ import annotations

from contextvars import ContextVar, Token
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from src.infrastructure.message import Message
    from src.infrastructure.publication import Publications
    from src.infrastructure.request import Incoming

# Set while a handler runs, also for what it calls, for tasks that it starts and for `asyncio.to_thread`.
current_message: ContextVar[Message | None] = ContextVar("current_message", default=None)

# Set while an action or an ad-hoc listener runs, and while a gateway answers.
current_request: ContextVar[Incoming | None] = ContextVar("current_request", default=None)

# Set while a batch handler runs, of which no single message is the current one: what it publishes is waited for too.
batch_publications: ContextVar[Publications | None] = ContextVar("batch_publications", default=None)


class Binding:
    """Makes a message the current one while its block runs; a class, since a generator takes four times as long."""

    __slots__ = ("_message", "_token")

    def __init__(self, message: Message) -> None:
        self._message = message

    def __enter__(self) -> None:
        self._token: Token[Message | None] = current_message.set(self._message)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        current_message.reset(self._token)
