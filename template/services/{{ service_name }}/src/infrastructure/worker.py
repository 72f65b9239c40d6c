"""The worker: every handler of the service, from the connection to the last acknowledgement."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import nats.errors

from src.config import Settings
from src.infrastructure.attempts import Attempts
from src.infrastructure.component import Component, Surroundings
from src.infrastructure.consumers import Consumers
from src.infrastructure.dead_letters import DeadLetters
from src.infrastructure.deduplication import Deduplication
from src.infrastructure.errors import ConfigurationError, named
from src.infrastructure.handler_runner import HandlerRunner
from src.infrastructure.inbox import inbox_for
from src.infrastructure.large_payloads import LargePayloads
from src.infrastructure.loop_watch import LoopWatch
from src.infrastructure.nats_client import NatsClient
from src.infrastructure.publisher import publish_over
from src.infrastructure.pull_consumer import Consumer
from src.infrastructure.replays import Replays
from src.infrastructure.stats import HandlerStats
from src.infrastructure.streams import Streams
from src.infrastructure.subscription import Subscription
from src.utils.logging import logger


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether the worker consumes, and why not."""

    ready: bool
    reason: str


class Worker:
    """Consumes with every subscription it was given, and runs what works beside that.

    Args:
        settings: the service's settings.
    """

    RETRY = 1.0  # seconds between attempts to provision the dead-letter stream
    STOP_MARGIN = 5.0  # seconds beyond their own limits that the parts have to stop; then they are left behind

    def __init__(self, settings: Settings) -> None:
        self.nats = NatsClient(settings)
        self.loop_watch = LoopWatch()
        self.runners: list[HandlerRunner] = []
        self.components: list[Component] = []  # what works beside the handlers
        self._settings = settings
        self._streams = Streams(self.nats, settings)
        self._consumers = Consumers(self.nats, self._streams, settings)
        self._attempts = Attempts(self.nats, settings)
        self._large_payloads = LargePayloads(self.nats, settings)
        self._replays = Replays(self.nats, settings.SERVICE_NAME, self._streams, self._large_payloads)
        self._dead_letters = DeadLetters(
            self.nats, settings.SERVICE_NAME, self._large_payloads, self._streams.dead_letters
        )
        self._inbox = inbox_for(settings, self.nats)
        self._consuming: asyncio.Task[None] | None = None
        self.stopping = False
        self._prepared = False

    def subscribe(self, subscription: Subscription, runner: type[HandlerRunner] = HandlerRunner) -> None:
        """Adds a handler; to be called before `run`.

        Args:
            subscription: what it handles, and how.
            runner: what runs it.

        Raises:
            ConfigurationError: another one has the same name, and so the same dead letters; or the same durable, and
                each would take the other's messages.
        """
        durable = subscription.durable_for(self._settings.SERVICE_NAME)
        for other in self.runners:
            if other.name == subscription.handler:
                raise ConfigurationError(f"a handler and a task are both named {other.name}; give one another name")
            if other.subscription.durable_for(self._settings.SERVICE_NAME) == durable:
                raise ConfigurationError(
                    f"the handlers {other.name} and {subscription.handler} share the durable {durable}; "
                    f"give each its own with `durable=`"
                )
        stats = HandlerStats()
        delivery = runner.delivery(
            subscription,
            self._attempts,
            self._dead_letters,
            self._large_payloads,
            self._replays,
            self._deduplication(subscription),
            stats,
        )
        provide, provide_replays = self._consumers.provide, partial(self._provide_replays, subscription)
        self.runners.append(runner(subscription, self.nats, delivery, provide, provide_replays, stats))
        _warn_of_sizes(subscription)

    def include(self, make: Callable[[Surroundings], Component]) -> None:
        """Adds what works beside the handlers, such as the actions; to be called before `run`.

        Raises:
            ConfigurationError: a part of it does not fit.
        """
        self.components.append(make(Surroundings(self.nats, self._streams, self._settings)))

    def check(self) -> None:
        """To be called when all parts have been added.

        Raises:
            ConfigurationError: there is nothing to do.
        """
        if not self.runners and not self.components:
            raise ConfigurationError(
                "nothing to do: src/domain/handlers/ holds no *_handler.py with a @subscriber, src/domain/actions/ no "
                "*_action.py with an @action, src/domain/tasks/ no *_task.py with a @task, and src/domain/publishers/ "
                "and subscribers/ hold nothing either"
            )

    async def _provide_replays(self, subscription: Subscription) -> Consumer:
        self._replays.consumed.discard(subscription.handler)
        consumer = await self._consumers.provide_replays(subscription)
        self._replays.consumed.add(subscription.handler)
        return consumer

    def _deduplication(self, subscription: Subscription) -> Deduplication | None:
        if self._inbox is None:
            return None
        return Deduplication(self._inbox, subscription.ack_wait, self._settings.DEDUP_UNAVAILABLE)

    def readiness(self) -> Readiness:
        """Whether every consumer pulls, and every component works."""
        if self.stopping:
            return Readiness(False, "shutting down")
        if not self.nats.connected:
            return Readiness(False, "not connected to NATS")
        if self.runners and not self._prepared:
            return Readiness(False, "starting")
        troubles = [f"{runner.name}: {runner.trouble}" for runner in self.runners if runner.trouble]
        troubles += [component.trouble for component in self.components if component.trouble]
        return Readiness(not troubles, "; ".join(troubles) or self._doing())

    def _doing(self) -> str:
        if self.runners:
            return "consuming"
        kinds = {component.kind for component in self.components}
        return "answering" if "actions" in kinds or not kinds else "working"

    async def run(self) -> None:
        """Connects and consumes until `stop` is called.

        Raises:
            ConfigurationError: what the server has does not fit the configuration.
        """
        publish_over(self.nats)
        self._consuming = asyncio.create_task(self._work())
        try:
            await self._consuming
        except asyncio.CancelledError:
            if not self.stopping:
                raise
        except BaseExceptionGroup as group:
            raise _first(group) from group

    async def stop(self, hurry: asyncio.Future[None] | None = None, limit: float | None = None) -> None:
        """Stops consuming, waits for running handlers and actions, gives back the rest and closes the connection.

        Args:
            hurry: when done, running handlers and actions are not waited for any longer.
            limit: seconds that they have; `GRACEFUL_SHUTDOWN_TIMEOUT` unless given.
        """
        self.stopping = True
        limit = self._settings.GRACEFUL_SHUTDOWN_TIMEOUT if limit is None else limit
        begun = {"handlers": sum(runner.in_flight for runner in self.runners)}
        begun |= {component.kind: component.begun for component in self.components}
        if any(begun.values()):
            logger.info(
                "waiting for handlers and what is beside them; a second signal ends the wait", **begun, seconds=limit
            )
        stopping = [
            asyncio.create_task(runner.stop(limit, hurry), name=f"{runner.name}-stop") for runner in self.runners
        ]
        stopping += [
            asyncio.create_task(component.stop(limit, hurry), name=f"{component.kind}-stop")
            for component in self.components
        ]
        stopping.append(asyncio.create_task(self.nats.finish(limit), name="listeners-stop"))
        await _ended(stopping, limit + self.STOP_MARGIN)
        if self._consuming:
            self._consuming.cancel()
            await _ended([self._consuming], self.STOP_MARGIN)
        if self._inbox:
            await _ended([asyncio.create_task(self._inbox.close(), name="inbox")], self.STOP_MARGIN)
        publish_over(None)
        await self.nats.close()

    def stats(self) -> dict[str, Any]:
        """The counts of every subscription, for people and for `/stats`."""
        return {runner.name: _stats_of(runner, self._settings.SERVICE_NAME) for runner in self.runners}

    async def _work(self) -> None:
        await self.nats.connect()
        async with asyncio.TaskGroup() as group:
            if self.runners:
                group.create_task(self._consume())
            for component in self.components:
                group.create_task(component.run())
            await asyncio.Event().wait()  # until `stop` cancels it: a gateway may have neither

    async def _consume(self) -> None:
        while not self._prepared:
            try:
                await self._streams.dead_letters()
                await self._attempts.prepare()
                self._prepared = True
            except (nats.errors.Error, TimeoutError, OSError) as error:
                logger.warning("waiting for JetStream", error=named(error))
                await asyncio.sleep(self.RETRY)
        async with asyncio.TaskGroup() as group:
            for runner in self.runners:
                group.create_task(runner.run())


async def _ended(tasks: list[asyncio.Task[None]], limit: float) -> None:
    """Waits for tasks; leaves behind what is late, since nats-py swallows some cancellations."""
    if not tasks:
        return
    ended, late = await asyncio.wait(tasks, timeout=limit)
    for task in late:
        logger.error("did not stop in time", task=task.get_name())
    for task in ended:
        if not task.cancelled() and (error := task.exception()) and not isinstance(error, ConfigurationError):
            logger.error("failed while stopping", task=task.get_name(), error=named(error))


def _first(group: BaseExceptionGroup) -> BaseException:
    """One handler's failure stops the worker; the first says why."""
    error = group.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error


def _stats_of(runner: HandlerRunner, service: str) -> dict[str, Any]:
    subscription, stats = runner.subscription, runner.stats
    return {
        "subject": runner.subject,
        "durable": subscription.durable_for(service),
        "trouble": runner.trouble,
        "replay_trouble": runner.replay_trouble,
        "received": stats.received,
        "handled": stats.handled,
        "retried": stats.retried,
        "scheduled": stats.scheduled,
        "held": stats.held,
        "released": stats.released,
        "duplicates": stats.duplicates,
        "dead_letters": dict(stats.dead_letters),
        "pending": stats.pending,
        "buffered": runner.buffered,
        "in_flight": runner.in_flight,
        "last_error": stats.last_error,
        "policy": {
            "concurrency": subscription.concurrency,
            "prefetch": subscription.prefetch,
            "ack_wait": subscription.ack_wait,
            "ack_sync": subscription.ack_sync,
            "max_ack_pending": subscription.max_ack_pending,
            "max_attempts": subscription.max_attempts,
            "backoff": dataclasses.asdict(subscription.backoff),
            "schedule_above": subscription.schedule_above,
        },
    }


def _warn_of_sizes(subscription: Subscription) -> None:
    """Warns where one replica alone can use up what all replicas may hold."""
    needed = int(1.25 * (subscription.prefetch + subscription.concurrency))
    if subscription.max_ack_pending < needed:
        logger.warning(
            "max_ack_pending is small: one replica can hold all messages that may be unsettled",
            handler=subscription.handler,
            max_ack_pending=subscription.max_ack_pending,
            wanted_per_replica=needed,
        )
