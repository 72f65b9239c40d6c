"""The messages of one handler that have arrived: those that wait, and those that are being handled."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterator

from src.infrastructure.message import Message


class MessageBuffer:
    """A queue of waiting messages that can be looked through, which asyncio.Queue cannot.

    Args:
        messages: an empty queue, which decides about the order.

    Attributes:
        running: messages that are being handled.
    """

    def __init__(self, messages: deque[Message]) -> None:
        self.running: set[Message] = set()
        self._messages = messages
        self._arrived = asyncio.Semaphore(0)  # 1 if a message has arrived that no task waited for

    def put(self, message: Message) -> None:
        """Add a message, and wake one task that waits for it."""
        self._messages.append(message)
        if self._arrived.locked():
            self._arrived.release()

    def start(self) -> Message:
        """Remove the message to handle next, and return it as running; there must be one."""
        message = self.take()
        self.running.add(message)
        return message

    def take(self) -> Message:
        """Remove and return the message that is next; there must be one."""
        message = self._messages.popleft()
        if message.source:
            message.source.started(len(message.data))
        return message

    def age(self, choose: Callable[..., float] = min) -> float:
        """Return for how many seconds the handler that began first has run, or by `max` the one that began last."""
        now = time.monotonic()
        return now - choose((message.started or now for message in self.running), default=now)

    async def arrival(self) -> None:
        """Wait until a message has arrived that no other task was woken for; it may have been taken by then."""
        await self._arrived.acquire()

    def __len__(self) -> int:
        return len(self._messages)

    def __iter__(self) -> Iterator[Message]:
        return iter(self._messages)
