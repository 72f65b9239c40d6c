"""Runs one handler: receives its messages, works on them, keeps them alive, and gives them back at the end."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import suppress
from typing import Any, ClassVar, Protocol

import nats.errors
from nats.aio.msg import Msg

from src.infrastructure.consumers import Progress
from src.infrastructure.delivery import Delivery
from src.infrastructure.errors import named
from src.infrastructure.message import Message
from src.infrastructure.nats_client import NatsClient
from src.infrastructure.origin import origin_of
from src.infrastructure.pull_consumer import Consumer, PullConsumer
from src.infrastructure.stats import HandlerStats
from src.infrastructure.subscription import Subscription
from src.utils.logging import logger

YIELD_AFTER = 0.005  # seconds of work without a pause, after which other tasks get their turn
WATCH_EVERY = 10.0  # seconds between looks at the consumer's progress
REPLAYS_PREFETCH = 50  # messages that are asked for ahead on the replay subject
CANCEL_LIMIT = 1.0  # seconds that a cancelled handler has to clean up


class Buffer(Protocol):
    """Messages that were received and not started."""

    def append(self, message: Message, /) -> None:
        """Adds one."""

    def popleft(self) -> Message:
        """Takes the one that is to be started next."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[Message]: ...


class HandlerRunner:
    """One subscription at work: `concurrency` workers on one buffer.

    Two pull consumers fill it: the subscription's own, and that of what comes back on the handler's replay subject.

    Args:
        subscription: what it runs.
        nats: the connection.
        delivery: decides what becomes of its messages.
        provide: makes sure that a subscription's consumer is there, and says where.
        provide_replays: the same for the one of the replay subject.
        stats: counts.

    Attributes:
        delivery: the class of what decides.
    """

    delivery: ClassVar[type[Delivery]] = Delivery

    def __init__(
        self,
        subscription: Subscription,
        nats: NatsClient,
        delivery: Delivery,
        provide: Callable[[Subscription, Progress | None], Awaitable[Consumer]],
        provide_replays: Callable[[], Awaitable[Consumer]],
        stats: HandlerStats,
    ) -> None:
        self.subscription = subscription
        self.stats = stats
        self._nats = nats
        self._delivery = delivery
        self._buffer: Buffer = deque()
        self._running: set[Message] = set()
        self._idle: deque[asyncio.Future[None]] = deque()  # of workers that wait for a message
        self._stopping = False
        self._provide = provide
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
        self._pulls = {"pull": self._pull, "pull-replays": self._pull_replays}
        self._workers: list[asyncio.Task[None]] = []
        self._background: list[asyncio.Task[None]] = []

    @property
    def name(self) -> str:
        """The handler's name."""
        return self.subscription.handler

    @property
    def subject(self) -> str:
        """What it listens to."""
        return self.subscription.subject

    @property
    def consumers(self) -> dict[str, Consumer]:
        """What is pulled from, as far as it is known to exist; replays aside."""
        return {self.name: self._pull.consumer} if self._pull.consumer else {}

    @property
    def buffered(self) -> int:
        """Messages received and not started."""
        return len(self._buffer)

    @property
    def in_flight(self) -> int:
        """Messages being handled."""
        return len(self._running)

    @property
    def trouble(self) -> str:
        """Why no messages are handled, in a few words; empty while they are."""
        return self._pull.trouble or self._delivery.trouble

    @property
    def replay_trouble(self) -> str:
        """Why nothing comes back on the replay subject, in a few words; empty while it does."""
        return self._pull_replays.trouble

    async def run(self) -> None:
        """Works until `stop` is called.

        Raises:
            ConfigurationError: the consumer cannot be what the subscription wants.
            Exception: one of its tasks ended, which would go unnoticed otherwise.
        """
        self._workers = [
            asyncio.create_task(self._work(), name=f"{self.name}-{number}")
            for number in range(self.subscription.concurrency)
        ]
        self._background = [
            *(asyncio.create_task(pull.run(), name=f"{self.name}-{name}") for name, pull in self._pulls.items()),
            asyncio.create_task(self._keep_alive(), name=f"{self.name}-keep-alive"),
            asyncio.create_task(self._keep_claims(), name=f"{self.name}-keep-claims"),
            asyncio.create_task(self._watch(), name=f"{self.name}-watch"),
        ]
        ended, _ = await asyncio.wait([*self._workers, *self._background], return_when=asyncio.FIRST_COMPLETED)
        for task in ended:
            if not self._stopping:
                failure = None if task.cancelled() else task.exception()
                raise failure or RuntimeError(f"the task {task.get_name()} ended")

    async def stop(self, limit: float, hurry: asyncio.Future[None] | None = None) -> None:
        """Gives back what has not started, and what does not finish within `limit` seconds or until `hurry` is done."""
        deadline = asyncio.get_running_loop().time() + limit
        self._stopping = self._delivery.stopping = True
        while self._idle:
            self._wake_one()
        # The subscription ends first: naks before that would come straight back to this worker.
        await asyncio.gather(*(pull.stop() for pull in self._pulls.values()))
        if self._buffer or self._running:
            await _first_of(self._nats.wait_connected(limit), hurry)
        await self._give_back_buffer()
        await self._finish(deadline - asyncio.get_running_loop().time(), hurry)
        await self._give_back_buffer()  # what arrived after all, where the subscription did not end in time
        for task in self._background:
            task.cancel()

    async def _give_back_buffer(self) -> None:
        while self._buffer:
            await self._give_back(self._next())

    async def _provisioned(self) -> Consumer:
        return await self._provide(self.subscription, self._progress)

    def _held(self) -> int:
        """Messages that the subscription's own consumer gave and that have not been started."""
        return len(self._buffer) - self._replays_buffered

    async def _finish(self, limit: float, hurry: asyncio.Future[None] | None) -> None:
        if not self._workers:
            return
        finished = asyncio.ensure_future(asyncio.wait(self._workers))
        events: list[asyncio.Future[Any]] = [finished, hurry] if hurry else [finished]
        await asyncio.wait(events, timeout=max(limit, 0), return_when=asyncio.FIRST_COMPLETED)
        finished.cancel()
        late = [worker for worker in self._workers if not worker.done()]
        for worker in late:
            worker.cancel()
        if late:
            logger.warning("handlers did not finish in time", handler=self.name, handlers=len(self._running))
            await asyncio.wait(late, timeout=CANCEL_LIMIT)
        for message in list(self._running):  # of handlers that do not react to being cancelled
            await self._give_back(message)

    def _receive(self, raw: Msg) -> None:
        self.stats.received += 1
        self._buffer.append(Message(raw, self.subscription.handler, self._nats))
        if self._idle:
            self._wake_one()

    def _receive_replay(self, raw: Msg) -> None:
        self.stats.received += 1
        self._replays_buffered += 1
        self._buffer.append(Message(raw, self.subscription.handler, self._nats, origin_of(raw)))
        self._wake_one()

    def _next(self) -> Message:
        message = self._buffer.popleft()
        if message.origin is None:
            self._pull.started_some()
        else:
            self._replays_buffered -= 1
            self._pull_replays.started_some()
        return message

    async def _message_arrives(self) -> None:
        """Returns when a message has come that no other worker was woken for, or at the end."""
        arrived = asyncio.get_running_loop().create_future()
        self._idle.append(arrived)
        try:
            await arrived
        except asyncio.CancelledError:
            with suppress(ValueError):
                self._idle.remove(arrived)
            raise

    def _wake_one(self) -> None:
        while self._idle:
            arrived = self._idle.popleft()
            if not arrived.done():  # its worker was cancelled
                arrived.set_result(None)
                return

    async def _work(self) -> None:
        clock = time.monotonic
        pause_due = clock() + YIELD_AFTER
        takes_list = self.subscription.signature.takes_list
        while not self._stopping:
            if not self._buffer:
                await self._message_arrives()
                pause_due = clock() + YIELD_AFTER
            elif takes_list:
                await self._work_on_batch(await self._next_batch())
            else:
                await self._work_on(self._next())
            if clock() > pause_due:
                await asyncio.sleep(0)
                pause_due = clock() + YIELD_AFTER

    async def _next_batch(self) -> list[Message]:
        """What is here when the batch is full or the first message has waited long enough; nothing at the end."""
        size = self.subscription.most_at_once
        try:
            async with asyncio.timeout(self.subscription.batch_wait):
                while len(self._buffer) < size and not self._stopping:
                    await self._message_arrives()
        except TimeoutError:
            pass
        if self._stopping:
            return []
        return [self._next() for _ in range(min(size, len(self._buffer)))]

    async def _work_on(self, message: Message) -> None:
        self._running.add(message)
        try:
            await self._delivery.deliver(message)
        except asyncio.CancelledError:
            await self._give_back(message)
            raise
        except Exception as error:
            self._not_settled([message], error)
        finally:
            self._running.discard(message)
            self._delivery.forget(message)

    async def _work_on_batch(self, messages: list[Message]) -> None:
        self._running.update(messages)
        try:
            await self._delivery.deliver_batch(messages)
        except asyncio.CancelledError:
            for message in messages:
                await self._give_back(message)
            raise
        except Exception as error:
            self._not_settled(messages, error)
        finally:
            self._running.difference_update(messages)
            for message in messages:
                self._delivery.forget(message)

    def _not_settled(self, messages: list[Message], error: Exception) -> None:
        unsettled = [message.id for message in messages if not message.settled]
        logger.error(
            "not settled: the server will deliver again", handler=self.name, message_ids=unsettled, exc_info=error
        )

    async def _give_back(self, message: Message) -> None:
        if message.settled:
            return
        if not self._nats.connected:
            logger.warning("message not given back: not connected to NATS", message_id=message.id)
            return
        try:
            await self._delivery.give_back(message)
        except nats.errors.Error as error:
            logger.warning("message not given back", message_id=message.id, error=named(error))

    async def _keep_alive(self) -> None:
        """Tells the server that waiting and running messages are not lost, before `ack_wait` ends."""
        while True:
            await asyncio.sleep(self.subscription.ack_wait / 3)
            # not connected: the server delivers again what it has not heard of
            with suppress(nats.errors.Error):
                for message in [*self._running, *self._buffer]:
                    await message.in_progress()

    async def _keep_claims(self) -> None:
        """Keeps the inbox's claims on running messages; on its own, since the inbox's store may answer late."""
        while True:
            await asyncio.sleep(self.subscription.ack_wait / 3)
            await self._delivery.renew_claims()

    async def _watch(self) -> None:
        """Looks from time to time how far the consumer has come: all replicas together, which only the server knows."""
        while True:
            await asyncio.sleep(WATCH_EVERY)
            consumers = self.consumers.values()
            if not consumers or not self._nats.connected:
                continue
            pending = 0
            try:
                for consumer in consumers:
                    info = await self._nats.jetstream.consumer_info(consumer.stream, consumer.durable)
                    pending += info.num_pending or 0
                    if info.ack_floor and consumer is self._pull.consumer:
                        self._progress = Progress(consumer, info.ack_floor.stream_seq)
            except (nats.errors.Error, TimeoutError, OSError):
                continue  # the pull consumer reports what is wrong
            self.stats.pending = pending


async def _first_of(step: Coroutine[Any, Any, None], hurry: asyncio.Future[None] | None) -> None:
    """Returns when `step` has ended, or has been cancelled because `hurry` is done."""
    task = asyncio.create_task(step)
    await asyncio.wait([task, hurry] if hurry else [task], return_when=asyncio.FIRST_COMPLETED)
    task.cancel()
