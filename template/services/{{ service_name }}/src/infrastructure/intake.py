"""What has come for one handler and has not been started: pull consumers fill a buffer, and wake who waits for it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from typing import Protocol

import nats.errors
from nats.aio.msg import Msg

from src.infrastructure.handling.origin import origin_of
from src.infrastructure.message import Message
from src.infrastructure.nats_client import NatsClient
from src.infrastructure.pull_consumer import Consumer, PullConsumer
from src.infrastructure.receiving.consumers import Progress
from src.infrastructure.subscription import Subscription
from src.infrastructure.watching.stats import HandlerStats

WATCH_EVERY = 10.0  # seconds between looks at the consumer's progress
REPLAYS_PREFETCH = 50  # messages that are asked for ahead on the replay subject


class Buffer(Protocol):
    """Messages that were received and not started."""

    def append(self, message: Message, /) -> None:
        """Adds one."""

    def popleft(self) -> Message:
        """Takes the one that is to be started next."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[Message]: ...


class Intake:
    """One subscription's messages, from the server to the moment when one is taken to be handled.

    There are two pull consumers: the subscription's own, and that of what comes back on the handler's replay subject.

    Args:
        subscription: what is received.
        nats: the connection.
        provide: makes sure that a subscription's consumer is there, and says where.
        provide_replays: the same for the one of the replay subject.
        stats: counts.

    Attributes:
        buffer: what is here.
        pulls: the pull consumers by name; the runner has them run.
    """

    def __init__(
        self,
        subscription: Subscription,
        nats: NatsClient,
        provide: Callable[[Subscription, Progress | None], Awaitable[Consumer]],
        provide_replays: Callable[[], Awaitable[Consumer]],
        stats: HandlerStats,
    ) -> None:
        self.buffer: Buffer = deque()
        self._subscription = subscription
        self._nats = nats
        self._provide = provide
        self._stats = stats
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._progress: Progress | None = None
        self._replays_buffered = 0
        self._pull = PullConsumer(nats, self._provisioned, self._receive, self._held, subscription.prefetch)
        self._pull_replays = PullConsumer(
            nats,
            provide_replays,
            self._receive_replay,
            lambda: self._replays_buffered,
            min(subscription.prefetch, REPLAYS_PREFETCH),
        )
        self.pulls = {"pull": self._pull, "pull-replays": self._pull_replays}

    @property
    def subject(self) -> str:
        """What is listened to."""
        return self._subscription.subject

    @property
    def consumers(self) -> dict[str, Consumer]:
        """What is pulled from, as far as it is known to exist; replays aside."""
        return {self._subscription.handler: self._pull.consumer} if self._pull.consumer else {}

    @property
    def trouble(self) -> str:
        """Why no messages come, in a few words; empty while they do."""
        return self._pull.trouble

    @property
    def replay_trouble(self) -> str:
        """Why nothing comes back on the replay subject, in a few words; empty while it does."""
        return self._pull_replays.trouble

    def take(self) -> Message:
        """The message that is to be started next; there must be one."""
        message = self.buffer.popleft()
        if message.origin is None:
            self._pull.started_some()
        else:
            self._replays_buffered -= 1
            self._pull_replays.started_some()
        return message

    async def arrival(self) -> None:
        """Returns when a message has come that nobody else was woken for, or after `wake_all`."""
        arrived = asyncio.get_running_loop().create_future()
        self._waiting.append(arrived)
        try:
            await arrived
        except asyncio.CancelledError:
            with suppress(ValueError):
                self._waiting.remove(arrived)
            raise

    def wake_all(self) -> None:
        """Lets nobody wait any longer."""
        while self._waiting:
            self._wake_one()

    async def stop(self) -> None:
        """Ends the pull consumers; what the server had sent by then is in the buffer."""
        await asyncio.gather(*(pull.stop() for pull in self.pulls.values()))

    async def watch(self) -> None:
        """Looks from time to time how far the consumer has come: all replicas together, which only the server knows."""
        while True:
            await asyncio.sleep(WATCH_EVERY)
            consumers = self.consumers.values()
            if not consumers or not self._nats.connected:
                continue
            pending = 0
            try:
                for consumer in consumers:  # tasks have three
                    info = await self._nats.jetstream.consumer_info(consumer.stream, consumer.durable)
                    pending += info.num_pending or 0
                    if info.ack_floor and consumer is self._pull.consumer:
                        # where a consumer goes on that was deleted and is made again
                        self._progress = Progress(consumer, info.ack_floor.stream_seq)
            except (nats.errors.Error, TimeoutError, OSError):
                continue  # the pull consumer reports what is wrong
            self._stats.pending = pending

    async def _provisioned(self) -> Consumer:
        return await self._provide(self._subscription, self._progress)

    def _held(self) -> int:
        """Messages that the subscription's own consumer gave and that have not been started."""
        return len(self.buffer) - self._replays_buffered

    def _receive(self, raw: Msg) -> None:
        self._stats.received += 1
        self.buffer.append(Message(raw, self._subscription.handler, self._nats))
        if self._waiting:
            self._wake_one()

    def _receive_replay(self, raw: Msg) -> None:
        self._stats.received += 1
        self._replays_buffered += 1
        self.buffer.append(Message(raw, self._subscription.handler, self._nats, origin_of(raw)))
        self._wake_one()

    def _wake_one(self) -> None:
        while self._waiting:
            arrived = self._waiting.popleft()
            if not arrived.done():  # who waited was cancelled
                arrived.set_result(None)
                return
