"""Runs one handler: works on its messages, keeps them alive, and gives them back at the end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

import nats.errors

from src.infrastructure.delivery import Delivery
from src.infrastructure.errors import named
from src.infrastructure.intake import Intake
from src.infrastructure.message import Message
from src.infrastructure.nats_client import NatsClient
from src.infrastructure.subscription import Subscription
from src.infrastructure.watching.stats import HandlerStats
from src.utils.logging import logger

YIELD_AFTER = 0.005  # seconds of work without a pause, after which other tasks get their turn
CANCEL_LIMIT = 1.0  # seconds that a cancelled handler has to clean up


class HandlerRunner:
    """One subscription at work: `concurrency` workers on what has come.

    Args:
        subscription: what it runs.
        nats: the connection.
        intake: gives it the messages.
        delivery: decides what becomes of them.
        stats: counts.
    """

    def __init__(
        self, subscription: Subscription, nats: NatsClient, intake: Intake, delivery: Delivery, stats: HandlerStats
    ) -> None:
        self.subscription = subscription
        self.intake = intake
        self.stats = stats
        self._nats = nats
        self._delivery = delivery
        self._running: set[Message] = set()
        self._stopping = False
        self._workers: list[asyncio.Task[None]] = []
        self._background: list[asyncio.Task[None]] = []

    @property
    def name(self) -> str:
        """The handler's name."""
        return self.subscription.handler

    @property
    def buffered(self) -> int:
        """Messages received and not started."""
        return len(self.intake.buffer)

    @property
    def in_flight(self) -> int:
        """Messages being handled."""
        return len(self._running)

    @property
    def trouble(self) -> str:
        """Why no messages are handled, in a few words; empty while they are."""
        return self.intake.trouble or self._delivery.trouble

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
            *(asyncio.create_task(pull.run(), name=f"{self.name}-{name}") for name, pull in self.intake.pulls.items()),
            asyncio.create_task(self._keep_alive(), name=f"{self.name}-keep-alive"),
            asyncio.create_task(self._keep_claims(), name=f"{self.name}-keep-claims"),
            asyncio.create_task(self.intake.watch(), name=f"{self.name}-watch"),
        ]
        ended, _ = await asyncio.wait([*self._workers, *self._background], return_when=asyncio.FIRST_COMPLETED)
        for task in ended:
            if not self._stopping:
                failure = None if task.cancelled() else task.exception()
                raise failure or RuntimeError(f"the task {task.get_name()} ended")

    async def stop(self, limit: float, hurry: asyncio.Future[None] | None = None) -> None:
        """Gives back what has not started, and what does not finish within `limit` seconds or until `hurry` is done."""
        deadline = asyncio.get_running_loop().time() + limit
        self._stopping = True
        self._delivery.stop()
        self.intake.wake_all()
        # The subscription ends first: naks before that would come straight back to this worker.
        await self.intake.stop()
        if self.intake.buffer or self._running:
            await _first_of(self._nats.wait_connected(limit), hurry)
        await self._give_back_buffer()
        await self._finish(deadline - asyncio.get_running_loop().time(), hurry)
        await self._give_back_buffer()  # what arrived after all, where the subscription did not end in time
        for task in self._background:
            task.cancel()

    async def _give_back_buffer(self) -> None:
        while self.intake.buffer:
            await self._give_back(self.intake.take())

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

    async def _work(self) -> None:
        clock = time.monotonic
        pause_due = clock() + YIELD_AFTER
        takes_list = self.subscription.signature.takes_list
        intake = self.intake
        while not self._stopping:
            if not intake.buffer:
                await intake.arrival()
                pause_due = clock() + YIELD_AFTER
            elif takes_list:
                await self._work_on_batch(await self._next_batch())
            else:
                await self._work_on(intake.take())
            if clock() > pause_due:
                await asyncio.sleep(0)
                pause_due = clock() + YIELD_AFTER

    async def _next_batch(self) -> list[Message]:
        """What is here when the batch is full or the first message has waited long enough; nothing at the end."""
        size = self.subscription.most_at_once
        try:
            async with asyncio.timeout(self.subscription.batch_wait):
                while self.buffered < size and not self._stopping:
                    await self.intake.arrival()
        except TimeoutError:
            pass
        if self._stopping:
            return []
        return [self.intake.take() for _ in range(min(size, self.buffered))]

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
                for message in [*self._running, *self.intake.buffer]:
                    await message.in_progress()

    async def _keep_claims(self) -> None:
        """Keeps the inbox's claims on running messages; on its own, since the inbox's store may answer late."""
        while True:
            await asyncio.sleep(self.subscription.ack_wait / 3)
            await self._delivery.renew_claims()


async def _first_of(step: Coroutine[Any, Any, None], hurry: asyncio.Future[None] | None) -> None:
    """Returns when `step` has ended, or has been cancelled because `hurry` is done."""
    task = asyncio.create_task(step)
    await asyncio.wait([task, hurry] if hurry else [task], return_when=asyncio.FIRST_COMPLETED)
    task.cancel()
