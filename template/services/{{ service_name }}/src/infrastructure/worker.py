"""The worker: every handler of the service, from the connection to the last acknowledgement."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import nats.errors

from src.config import Settings
from src.infrastructure.delivery import Delivery
from src.infrastructure.errors import ConfigurationError, named
from src.infrastructure.handler_runner import HandlerRunner
from src.infrastructure.intake import Intake
from src.infrastructure.nats_client import NatsClient
from src.infrastructure.publisher import publish_over
from src.infrastructure.receiving.streams import Streams
from src.infrastructure.subscription import Subscription
from src.infrastructure.watching.handler_figures import figures_of
from src.infrastructure.watching.loop_watch import LoopWatch
from src.infrastructure.wiring.component import Component, Surroundings
from src.infrastructure.wiring.handler_parts import HandlerParts
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

    RETRY = 1.0  # seconds between attempts to prepare what all handlers need
    STOP_MARGIN = 5.0  # seconds beyond their own limits that the parts have to stop; then they are left behind

    def __init__(self, settings: Settings) -> None:
        self.nats = NatsClient(settings)
        self.loop_watch = LoopWatch()
        self.runners: list[HandlerRunner] = []
        self.components: list[Component] = []  # what works beside the handlers
        self._settings = settings
        self._streams = Streams(self.nats, settings)
        self._parts = HandlerParts(self.nats, self._streams, settings)
        self._consuming: asyncio.Task[None] | None = None
        self.stopping = False
        self._prepared = False

    def subscribe(
        self, subscription: Subscription, intake: type[Intake] = Intake, delivery: type[Delivery] = Delivery
    ) -> None:
        """Adds a handler; to be called before `run`.

        Args:
            subscription: what it handles, and how.
            intake: what receives its messages; tasks have their own.
            delivery: what decides on them; tasks have their own.

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
        self.runners.append(self._parts.runner(subscription, intake, delivery))

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
        await _ended([asyncio.create_task(self._parts.close(), name="handler-parts")], self.STOP_MARGIN)
        publish_over(None)
        await self.nats.close()

    def stats(self) -> dict[str, Any]:
        """The counts of every subscription, for people and for `/stats`."""
        return {runner.name: figures_of(runner, self._settings.SERVICE_NAME) for runner in self.runners}

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
                await self._parts.prepare()
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
