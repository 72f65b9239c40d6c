"""The worker: all parts of the service, from the connection to the last ack."""

from __future__ import annotations

import asyncio
import time
from contextlib import nullcontext
from functools import partial
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple, Protocol

import nats.errors

from src.config import SERVICE, Settings
from src.infrastructure import metrics
from src.infrastructure.attempts import Attempts
from src.infrastructure.dead_letters import DeadLetters
from src.infrastructure.decoding import place_of
from src.infrastructure.delivery import Delivery, Inbox
from src.infrastructure.errors import ConfigurationError, describe
from src.infrastructure.handler_runner import HandlerRunner
from src.infrastructure.nats_client import NatsClient
from src.infrastructure.provisioning import ensure_dead_letters, stream_for
from src.infrastructure.publishing import declared, publish_over
from src.infrastructure.resources import OpenResources, shared
from src.infrastructure.subscription import Subscription
from src.utils.logging import logger

DOMAIN = Path(__file__).resolve().parent.parent / "domain"
PARTS = ("handlers", "actions", "publishers", "subscribers", "tasks")


class Readiness(NamedTuple):
    """The worker's readiness: whether it is ready, and its state or the reason why it is not."""

    ready: bool
    reason: str


class Component(Protocol):
    """A part that works beside the handlers, such as an action.

    Attributes:
        kind: the name of the kind: a key of `/stats`.
    """

    kind: str

    @property
    def trouble(self) -> str:
        """Return why a part does not work, in a few words; empty while all of them work."""

    @property
    def in_flight(self) -> int:
        """Return how many requests or messages have begun and not ended."""

    async def run(self) -> None:
        """Work until `stop` is called."""

    async def stop(self, limit: float, hurry: asyncio.Future[None] | None) -> None:
        """Begin nothing new, and finish what has begun within `limit` seconds or until `hurry` is done."""

    def stats(self) -> list[dict[str, Any]]:
        """Return the counts of each."""


class Worker:
    """Consumes with every subscription, and runs the components beside them.

    Args:
        settings: the service's settings.

    Attributes:
        nats: the connection.
        components: what works beside the handlers; a kind's package adds its own before `start`.
        stopping: whether it stops; it is not ready from then on.
    """

    RETRY = 1.0  # seconds between attempts to prepare what all handlers need
    STOP_MARGIN = 5.0  # seconds beyond their own limits that the parts have to stop; then they are left behind

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.nats = connection_for(settings)
        self.runners: list[HandlerRunner] = []
        self.components: list[Component] = []
        self.stopping = False
        self.working: asyncio.Task[None] | None = None
        self._attempts = Attempts(self.nats)
        self._inbox: Inbox | None = None
        if (dedup := settings.DEDUP) != "none":
            mend = "natsgen repair" if dedup == SERVICE["dedup"] else f"natsgen answers SERVICE set dedup={dedup}"
            inbox = load_package("src.inbox", f"DEDUP={dedup}", mend)
            self._inbox = inbox.inbox_for(dedup, self.nats)
        self._consul: Any = None  # the ConsulClient, once announced
        self._open_resources: OpenResources = nullcontext
        self._prepared = False
        metrics.READY.set_function(lambda: self.readiness().ready)
        metrics.CONNECTED.set_function(lambda: self.nats.connected)

    def register(self) -> None:
        """Add the resources and every part in `src/domain`.

        Raises:
            ConfigurationError: a part is invalid, or its package is missing.
        """
        own, settings = import_module("src.domain.resources"), import_module("src.domain.settings").own_settings
        self._open_resources, shared.middleware = partial(own.open_resources, settings), own.MIDDLEWARE
        for name in PARTS:
            if files := sorted((DOMAIN / name).glob(f"*_{name.removesuffix('s')}.py")):
                package = load_package(f"src.domain.{name}", f"src/domain/{name}/{files[0].name}")
                for file in files:
                    import_module(f"src.domain.{name}.{file.stem}")
                package.register(self)

    def check(self) -> None:
        """Check that there is something to do; a gateway needs no parts.

        Raises:
            ConfigurationError: there is not.
        """
        if not self.runners and not self.components:
            raise ConfigurationError(
                "nothing to do: src/domain/handlers/ has no *_handler.py, nor are there other parts"
            )

    def subscribe(
        self,
        subscription: Subscription,
        runner: type[HandlerRunner] = HandlerRunner,
        delivery: type[Delivery] = Delivery,
        letters: type[DeadLetters] = DeadLetters,
    ) -> None:
        """Add a handler; call this before `start`.

        Args:
            subscription: the subscription.
            runner, delivery, letters: subclasses for other kinds of handlers, such as tasks.

        Raises:
            ConfigurationError: another handler has the same name, or the same durable and so would share messages.
        """
        durable = subscription.durable_for(self.nats.service)
        for other in self.runners:
            if other.name == subscription.handler or other.subscription.durable_for(self.nats.service) == durable:
                raise ConfigurationError(
                    f"{place_of(other.subscription.function)} and {place_of(subscription.function)} share the name "
                    f"{subscription.handler} or the durable {durable}; give each its own"
                )
        if subscription.signature.takes_list and delivery is Delivery:
            batch = load_package("src.batch", f"the handler {subscription.handler}, which takes a list,")
            runner, delivery = batch.BatchRunner, batch.BatchDelivery
        handling = self.nats.observed(delivery)(subscription, self._attempts, letters(self.nats), self._inbox)
        self.runners.append(runner(subscription, self.nats, handling))

    def readiness(self) -> Readiness:
        """Return whether every consumer pulls and every component works."""
        first = "shutting down" if self.stopping else self.nats.trouble
        if first or not self._prepared:
            return Readiness(False, first or shared.trouble or "starting")
        troubles = [f"{runner.name}: {runner.trouble}" for runner in self.runners if runner.trouble]
        troubles += [trouble for trouble in (shared.trouble, *(one.trouble for one in self.components)) if trouble]
        return Readiness(not troubles, "; ".join(troubles) or ("consuming" if self.runners else "working"))

    def stats(self) -> dict[str, Any]:
        """Return the counts of every handler and component, for `/stats`."""
        found: dict[str, Any] = {"subscriptions": {runner.name: runner.stats() for runner in self.runners}}
        for component in self.components:
            found.setdefault(component.kind, []).extend(component.stats())
        return found

    def start(self) -> asyncio.Task[None]:
        """Start to work in the background.

        Returns:
            The task that works until `stop`. If it ends earlier, its exception says why.
        """
        self.working = asyncio.create_task(self.run(), name="worker")
        return self.working

    def announce(self, port: int) -> None:
        """Register in Consul in the background, if that is enabled.

        Args:
            port: the port that answers `/readyz`.
        """
        if self.settings.CONSUL_ENABLED:
            from src.infrastructure.consul_client import ConsulClient  # loads py-consul only where it is used

            self._consul = ConsulClient(self.settings, self.readiness, port)

    async def run(self) -> None:
        """Connect, and work until `stop` is called.

        Raises:
            ConfigurationError: what the server has does not fit the configuration.
        """
        publish_over(self.nats)
        await self.nats.connect()
        await shared.open(self._open_resources)
        # the loop's lag is measured without end, even if there is nothing else to do
        await asyncio.gather(metrics.measure_loop_lag(), shared.check(), self._run_parts())

    async def leave(self) -> None:
        """Become unready and deregister from Consul; the worker goes on until `stop`."""
        self.stopping = True
        if self._consul:
            consul, self._consul = self._consul, None
            await consul.deregister()

    async def stop(self, hurry: asyncio.Future[None] | None = None, limit: float | None = None) -> None:
        """Stop in order: wait for running handlers, give back the rest, close the connection.

        Args:
            hurry: ends the wait for running handlers when it is done.
            limit: seconds that running handlers have; `GRACEFUL_SHUTDOWN_TIMEOUT` by default.
        """
        limit = self.settings.GRACEFUL_SHUTDOWN_TIMEOUT if limit is None else limit
        deadline = time.monotonic() + limit
        await self.leave()
        if in_flight := sum(part.in_flight for part in self._parts()):
            logger.info("waiting for handlers; a second signal ends the wait", in_flight=in_flight, seconds=limit)
        await _wait_for((part.stop(limit, hurry) for part in self._parts()), limit + self.STOP_MARGIN)
        left = max(deadline - time.monotonic(), 0)
        await _wait_for((finish(self.nats, left, hurry) for finish in self.nats.finishing), left + self.STOP_MARGIN)
        if self.working:
            self.working.cancel()
            await asyncio.wait([self.working], timeout=self.STOP_MARGIN)
        await _wait_for([shared.close()], self.STOP_MARGIN)
        publish_over(None)
        await self.nats.close()

    async def _run_parts(self) -> None:
        await self._prepare()
        await asyncio.gather(*(part.run() for part in self._parts()))

    def _parts(self) -> list[HandlerRunner | Component]:
        return [*self.runners, *self.components]

    async def _prepare(self) -> None:
        """Make sure that the server has what all parts need."""
        while not self._prepared:
            try:
                if self.runners:
                    await ensure_dead_letters(self.nats)
                    await self._attempts.prepare()
                for subject in sorted(declared):
                    await stream_for(self.nats, subject)
                self._prepared = True
            except (nats.errors.Error, TimeoutError, OSError) as error:
                logger.warning("waiting for JetStream", error=describe(error))
                await asyncio.sleep(self.RETRY)


def connection_for(settings: Settings) -> NatsClient:
    """Return a connection, with tracing if the service has the extra `otel`."""
    has_otel = (DOMAIN.parent / "telemetry" / "__init__.py").exists()
    kind: type[NatsClient] = import_module("src.telemetry").TracedClient if has_otel else NatsClient
    return kind(settings)


def load_package(name: str, needed_by: str, mend: str = "natsgen repair") -> ModuleType:
    """Import a package of the service that not every service has.

    Args:
        name: the module's name.
        needed_by: what needs it.
        mend: the command that adds it.

    Raises:
        ConfigurationError: it is missing.
    """
    try:
        module = import_module(name)
        if module.__file__:  # else a folder without __init__.py: another branch removed the package
            return module
    except ModuleNotFoundError as error:
        if not (error.name or "").startswith("src."):
            raise
        name = error.name or name
    raise ConfigurationError(f"{needed_by} needs the package {name}, which this service lacks; `{mend}` adds it")


async def _wait_for(steps: Any, limit: float) -> None:
    """Wait for coroutines; leave behind those that are late, since nats-py swallows some cancellations."""
    tasks = [asyncio.ensure_future(step) for step in steps]
    ended, late = await asyncio.wait(tasks, timeout=limit) if tasks else (set(), set())
    for task in late:
        logger.error("part did not stop in time", task=repr(task.get_coro()))
    for task in ended:
        if not task.cancelled() and (error := task.exception()):
            logger.error("part failed while stopping", error=describe(error))
