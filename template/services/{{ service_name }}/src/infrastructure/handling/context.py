"""What is being handled right now, for code that is not handed the message: logs, new events, publishing, calls."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextvars import ContextVar, Token
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from src.infrastructure.handling.publication import Publications
    from src.infrastructure.message import Message


class Incoming(ABC):
    """What is being answered, however it came: logs tell of it, and what follows from it carries its correlation."""

    __slots__ = ()

    @property
    @abstractmethod
    def headers(self) -> Mapping[str, str]:
        """The headers, of which the trace is passed on; empty when there are none."""

    @property
    @abstractmethod
    def correlation_id(self) -> str:
        """What joins everything that follows from it."""

    @abstractmethod
    def log_fields(self) -> dict[str, str]:
        """What every line of the log says of it, beside the correlation and the trace."""


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
