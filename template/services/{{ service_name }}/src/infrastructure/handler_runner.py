"""Runs one handler: works on its messages, keeps them alive, and gives them back at the end."""

from __future__ import annotations

import asyncio
import time
from functools import partial
from typing import Any

from nats.aio.msg import Msg

from src.infrastructure import metrics
from src.infrastructure.delivery import Delivery
from src.infrastructure.message import ACK, Message
from src.infrastructure.message_buffer import MessageBuffer
from src.infrastructure.nats_client import NatsClient, until
from src.infrastructure.provisioning import Consumer, consumer_for, replay_consumer_for
from src.infrastructure.pull_consumer import PullConsumer
from src.infrastructure.subscription import Subscription
from src.utils.logging import logger

YIELD_AFTER = 0.003  # seconds of work without a pause, after which other tasks get their turn
CANCEL_LIMIT = 1.0  # seconds that a cancelled handler has to clean up
STUCK_AFTER = 2.0  # times `ack_wait` without a handler that returns, after which waiting messages are given back
WATCH_EVERY = 10.0  # seconds between looks at the consumer's progress
REPLAYS_PREFETCH = 50  # messages requested ahead on the replay subject


class HandlerRunner:
    """One subscription at work: `concurrency` tasks on the messages of two consumers, its own and that of replays.

    Args:
        subscription: the subscription.
        nats: the connection.
        delivery: decides what becomes of the messages.

    Attributes:
        buffer: messages received: those that wait, and those that are being handled.
        pull: the pull consumer of the subscription's messages.
        replays: the pull consumer of replayed messages.
        pulls: both.
    """

    def __init__(self, subscription: Subscription, nats: NatsClient, delivery: Delivery) -> None:
        self.name = subscription.handler
        self.subscription = subscription
        self.delivery = delivery
        self.metrics = delivery.metrics
        self.buffer = MessageBuffer()
        self._nats = nats
        self._ack_wait = subscription.ack_wait  # or the consumer's, if that is shorter
        self._stuck = ""
        self._tasks: list[asyncio.Task[None]] = []
        self.pull = PullConsumer(nats, self.provide, self.receive, subscription.prefetch)
        provide_replays = partial(replay_consumer_for, nats, subscription)
        self.replays = PullConsumer(nats, provide_replays, self.receive, min(subscription.prefetch, REPLAYS_PREFETCH))
        self.pulls = [self.pull, self.replays]
        metrics.BUFFERED.labels(self.name).set_function(lambda: len(self.buffer))
        metrics.IN_FLIGHT.labels(self.name).set_function(lambda: len(self.buffer.running))
        metrics.OLDEST.labels(self.name).set_function(lambda: self.buffer.age())

    @property
    def in_flight(self) -> int:
        """Return how many messages are being handled."""
        return len(self.buffer.running)

    @property
    def trouble(self) -> str:
        """Return why no messages are handled, in a few words; empty while they are."""
        pulls = [pull.trouble for pull in self.pulls if pull is not self.replays]
        return next(filter(None, [self._stuck, *pulls, self.delivery.trouble]), "")

    def stats(self) -> dict[str, Any]:
        """Return what `/stats` says of the handler."""
        return {
            "subject": self.subscription.subject,
            "durable": self.subscription.durable_for(self._nats.service),
            "trouble": self.trouble,
            "replay_trouble": self.replays.trouble,
            **self.metrics.values(),
            "last_error": self.delivery.last_error,
        }

    async def run(self) -> None:
        """Work until `stop` is called.

        Raises:
            ConfigurationError: the consumer cannot be as the subscription wants it.
            Exception: one of the tasks ended, which would go unnoticed otherwise.
        """
        # when the server was last told, and over which connection
        self._alive_at, self._alive_connection = time.monotonic(), self._nats.connections
        self._nats.listeners.add(self._tell_now)
        self.delivery.buffer = self.buffer
        works = [self._handle_messages] * self.subscription.concurrency
        works += [*(pull.run for pull in self.pulls), self._keep_alive, self._watch]
        self._tasks = [asyncio.create_task(work()) for work in works]
        ended, _ = await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in ended:
            if not self.delivery.stopping:
                raise (None if task.cancelled() else task.exception()) or RuntimeError(f"{task.get_coro()} ended")

    async def stop(self, limit: float, hurry: asyncio.Future[None] | None = None) -> None:
        """Give back what has not started, and what does not finish within `limit` seconds or until `hurry` is done."""
        deadline = time.monotonic() + limit
        self.delivery.stopping = True
        # The subscriptions end first: messages given back before that would come straight back to this worker.
        await asyncio.gather(*(pull.stop() for pull in self.pulls))
        await until(lambda: self._nats.connected or not (self.buffer or self.buffer.running), deadline, hurry)
        await self._give_back_buffer()
        await until(lambda: not self.buffer.running, deadline, hurry)
        if self.buffer.running:
            logger.warning("handlers did not finish in time", handler=self.name, handlers=len(self.buffer.running))
        self._nats.listeners.discard(self._tell_now)
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=CANCEL_LIMIT)
        for message in list(self.buffer.running):  # of handlers that ignore being cancelled
            await self._give_back(message)
        await self._give_back_buffer()  # what arrived although the subscription had not ended in time
        await self.delivery.dead_letters.stop()

    async def provide(self) -> Consumer:
        """Return the subscription's consumer."""
        return await consumer_for(self._nats, self.subscription, self.pull.progress)

    def receive(self, raw: Msg, source: PullConsumer) -> None:
        """Buffer a message that has arrived; skip the delete markers that a server stores where messages were."""
        message = Message(raw, self.name, self._nats, source, source is self.replays)
        if raw.data or "Nats-Marker-Reason" not in message.headers:
            self.metrics.received += 1
            self.buffer.put(message)
        else:
            message.settle(ACK)
            source.started(0)

    async def _handle_messages(self) -> None:
        pause_due = time.monotonic() + YIELD_AFTER
        while not self.delivery.stopping:
            if self.buffer and time.monotonic() <= pause_due and not self.delivery.attempts.alone_lock.locked():
                await self.handle_next()
                continue
            if self.buffer:
                await asyncio.sleep(0)  # other tasks run
                async with self.delivery.attempts.alone_lock:
                    pass
            else:
                self._pause("")
                await self.buffer.arrival()
            await self._drop_expired()
            pause_due = time.monotonic() + YIELD_AFTER

    async def _drop_expired(self) -> None:
        """Drop what waits if this process stood still for `ack_wait`: the server has delivered it again.

        The same holds while the server refuses acks. Until it takes them, no handler is called.
        A new connection drops the copies that wait in the socket as well.
        """
        if time.monotonic() - self._alive_at <= self._ack_wait and not self._nats.refusals.acks_within(self._ack_wait):
            return
        while self._nats.refusals.acks_within(self._ack_wait) and not self.delivery.stopping:  # noqa: ASYNC110
            await asyncio.sleep(0.1)
        self._alive_at = time.monotonic()
        if self._nats.connections == self._alive_connection:
            for pull in self.pulls:
                pull.drop_arrivals()
            self._nats.reconnect("the server has redelivered the waiting messages")
        expired = [self.buffer.take() for _ in range(len(self.buffer))]  # all of them before anything is awaited
        logger.warning("waiting messages dropped: the server delivers them again", messages=len(expired))
        for message in expired:
            await self.delivery.attempts.uncount(message)

    async def handle_next(self) -> None:
        """Handle the next message; the buffer is not empty."""
        message = self.buffer.start()
        attempts = self.delivery.attempts
        attempts.running += 1
        try:
            await self.delivery.deliver(message)
        except BaseException as error:
            await self.not_settled([message], error)
        finally:
            attempts.running -= 1
            self.buffer.running.discard(message)

    async def not_settled(self, messages: list[Message], error: BaseException) -> None:
        """Give messages back if the worker cut their delivery short; report another error.

        Raises:
            asyncio.CancelledError: the worker cut it short.
        """
        if not isinstance(error, Exception):
            for message in messages:
                await self._give_back(message)
            raise error
        ids = [message.id for message in messages if not message.settled]
        logger.error("not settled: the server will deliver again", handler=self.name, message_ids=ids, exc_info=error)

    async def _give_back_buffer(self) -> None:
        while self.buffer:
            await self._give_back(self.buffer.take())

    async def _give_back(self, message: Message) -> None:
        if self._nats.connected:
            await self.delivery.give_back(message)

    async def _keep_alive(self) -> None:
        """Tell the server in time that waiting and running messages are not lost."""
        while True:
            if consumer := self.pull.consumer:  # its `ack_wait` may be shorter than the subscription's
                self._ack_wait = consumer.limit("ack_wait", round(self.subscription.ack_wait * 1e9)) / 1e9
                metrics.ACK_WAIT.labels(self.name).set(self._ack_wait)
            await asyncio.sleep(self._ack_wait / 3 if consumer else 0.1)
            await self._tell_alive()

    def _tell_now(self) -> None:
        """Tell the server before a new connection brings messages; else they would be dropped with expired ones."""
        self._telling = asyncio.create_task(self._tell_alive())

    async def _tell_alive(self) -> None:
        # while acks are refused, the keep-alives below show when they are permitted again
        if not self._nats.refusals.acks_within(self._ack_wait):
            await self._drop_expired()
        if self._nats.connected:
            self._alive_at, self._alive_connection = time.monotonic(), self._nats.connections
        await self._give_back_if_stuck()
        for message in [*self.buffer.running, *self.buffer, *self.delivery.dead_letters.unsaved]:
            await message.in_progress()

    async def _give_back_if_stuck(self) -> None:
        """Give waiting messages to other replicas if no handler has returned for a long time."""
        limit = STUCK_AFTER * self._ack_wait
        if self.buffer and self.buffer.age(max) > limit:
            if not self._stuck:
                ids = [message.id for message in self.buffer.running]
                logger.error("no handler returns", handler=self.name, message_ids=ids, seconds=limit)
            self._pause(f"no handler has returned for {limit:g} s")
            await self._give_back_buffer()

    def _pause(self, reason: str) -> None:
        self._stuck = reason
        for pull in self.pulls:
            pull.paused = bool(reason)

    async def _watch(self) -> None:
        """Look at the consumers' progress from time to time."""
        while True:
            await asyncio.sleep(WATCH_EVERY)
            for pull in self.pulls:
                if pull.consumer:
                    await pull.look(pull.consumer)
            metrics.PENDING.labels(self.name).set(sum(pull.waiting for pull in self.pulls if pull is not self.replays))
