"""The messages of one handler that have arrived: those that wait, and those that are being handled."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable

from src.infrastructure.message import Message


class MessageBuffer(deque[Message]):
    """A queue of waiting messages that can be iterated, unlike asyncio.Queue.

    Attributes:
        running: messages that are being handled.
    """

    def __init__(self) -> None:
        super().__init__()
        self.running: set[Message] = set()
        self._waiting: deque[asyncio.Future[None]] = deque()

    def put(self, message: Message) -> None:
        """Add a message, and wake one task that waits for it."""
        self.append(message)
        while self._waiting:
            arrived = self._waiting.popleft()
            if not arrived.done():  # else the one who waited was cancelled
                arrived.set_result(None)
                return

    def start(self) -> Message:
        """Remove the message to handle next, and return it as running; there must be one."""
        message = self.take()
        self.running.add(message)
        return message

    def take(self) -> Message:
        """Remove and return the message that is next; there must be one."""
        message = self.popleft()
        if message.source:
            message.source.started(len(message.data))
        return message

    def age(self, choose: Callable[..., float] = min) -> float:
        """Return for how many seconds the handler that began first has run, or by `max` the one that began last."""
        now = time.monotonic()
        return now - choose((message.started or now for message in self.running), default=now)

    async def arrival(self) -> None:
        """Wait until a message has arrived that no other task was woken for."""
        arrived = asyncio.get_running_loop().create_future()
        self._waiting.append(arrived)
        await arrived
