"""Answers every action of the service, as a micro service by NATS's protocol: `nats micro ls` sees it."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable, Sequence
from datetime import UTC, datetime
from itertools import combinations
from typing import Any

import nats.errors
from nats.aio.client import Client
from nats.aio.subscription import Subscription
from nats.micro.service import DEFAULT_QUEUE_GROUP, ServiceConfig
from prometheus_client.core import Metric

from src.config import DESCRIPTION, VERSION
from src.infrastructure.connection.nats_internals import subscribe, unsubscribe
from src.infrastructure.errors import ConfigurationError, named
from src.infrastructure.wiring.component import Surroundings
from src.actions.action import Action
from src.actions.metrics import action_metrics
from src.actions.micro_service import MicroService
from src.actions.runner import ActionRunner
from src.utils.logging import logger


class ActionServer:
    """The actions of one service, subscribed to on whatever connection there is.

    Args:
        actions: all of the service.
        surroundings: what they work with.

    Raises:
        ConfigurationError: one cannot be answered, or two have one subject.
    """

    kind = "actions"

    TICK = 1.0  # seconds between attempts to subscribe, where the last one failed
    CONFIRM_LIMIT = 5.0  # seconds that the server has to confirm the subscriptions
    STOP_LIMIT = 2.0  # seconds that the server has to confirm that it sends no more requests

    def __init__(self, actions: Sequence[Action], surroundings: Surroundings) -> None:
        self._nats, _, self._settings = surroundings
        self.runners = [ActionRunner(action, self._nats, self._settings) for action in actions]
        for one, other in combinations(self.runners, 2):
            _refuse_clash(one, other)
        self._config()  # raises what does not fit now, not when there is a connection
        self._since = datetime.now(UTC)
        self._client: Client | None = None  # that the following three are of
        self._service: MicroService | None = None
        self._endpoints: dict[str, Subscription] = {}
        self._subscribed = False
        self._wake = asyncio.Event()
        self._stopping = False

    @property
    def trouble(self) -> str:
        """Why no requests come, in a few words; empty while they do."""
        if self._subscribed and self._client is self._nats.client:
            return ""
        return "not subscribed to the actions yet"

    @property
    def begun(self) -> int:
        """Requests that have come and are not answered yet."""
        return sum(runner.in_flight + runner.waiting for runner in self.runners)

    def stats(self) -> list[dict[str, Any]]:
        """The counts of every action, for `/stats`."""
        return [runner.summary() for runner in self.runners]

    def metrics(self) -> Iterable[Metric]:
        """The same for Prometheus."""
        return action_metrics(self.runners)

    async def run(self) -> None:
        """Keeps the actions subscribed until `stop` is called."""
        self._nats.on_connection(self._wake.set)
        while not self._stopping:
            self._wake.clear()
            try:
                if self._nats.connected and self.trouble:
                    await self._subscribe(self._nats.client)
            except (nats.errors.Error, TimeoutError, OSError) as error:
                logger.warning("not answering", error=named(error))
            await _done_within(self.TICK if self.trouble else None, self._wake.wait())

    async def stop(self, limit: float, hurry: asyncio.Future[None] | None = None) -> None:
        """Takes no more requests and answers those that came, within `limit` seconds or until `hurry` is done."""
        deadline = asyncio.get_running_loop().time() + limit
        self._stopping = True
        self._wake.set()
        if self._service and self._nats.connected and self._client is self._nats.client:
            await self._unsubscribe(self._service)
        left = deadline - asyncio.get_running_loop().time()
        await asyncio.gather(*(runner.finish(left, hurry) for runner in self.runners))

    async def _subscribe(self, client: Client) -> None:
        """nats-py subscribes again after a reconnect; a client in the place of another knows of nothing."""
        if self._client is not client:
            self._client, self._endpoints, self._subscribed = client, {}, False
            self._service = MicroService(client, self._config(), self.runners, self._since)
        for runner in self.runners:
            if runner.subject not in self._endpoints and not self._stopping:
                queue = DEFAULT_QUEUE_GROUP if runner.action.queue else ""
                self._endpoints[runner.subject] = await subscribe(client, runner.subject, runner.receive, queue)
        if self._service and not self._stopping:
            await self._service.start()
        if not await self._nats.flushed(self.CONFIRM_LIMIT):
            raise TimeoutError("the server does not confirm the subscriptions")
        self._subscribed = self._client is client
        logger.info("answering", actions=[runner.subject for runner in self.runners])

    async def _unsubscribe(self, service: MicroService) -> None:
        """When this returns, what the server had sent by then has been received.

        The endpoints are no longer announced from the beginning, so that nobody looks for them here.
        """
        steps: list[Coroutine[Any, Any, None]] = [unsubscribe(endpoint) for endpoint in self._endpoints.values()]
        leaving = [asyncio.create_task(step) for step in (*steps, service.stop())]
        # each waits for the server's word; never cancelled: nats-py would trip over the answer that comes late
        await asyncio.wait(leaving, timeout=self.STOP_LIMIT)
        for task in leaving:
            if not task.done() or task.exception():
                error = task.exception() if task.done() else None
                logger.warning("could not end an action's subscription in time", error=named(error) if error else None)
                return

    def _config(self) -> ServiceConfig:
        try:
            return ServiceConfig(
                name=self._settings.SERVICE_NAME,
                version=VERSION,
                description=DESCRIPTION,
                metadata={"context": self._settings.BOUNDED_CONTEXT, "hostname": self._settings.HOSTNAME},
            )
        except ValueError as error:
            raise ConfigurationError(
                f"pyproject.toml: version is {VERSION!r}; a service with actions takes a semantic version "
                f"such as 1.2.3 ({error})"
            ) from error


def _refuse_clash(one: ActionRunner, other: ActionRunner) -> None:
    if one.subject == other.subject:
        raise ConfigurationError(
            f"{one.action.where} and {other.action.where} both answer {one.subject}; give one another name, "
            f"`version=` or `subject=`"
        )


async def _done_within(limit: float | None, step: Coroutine[Any, Any, Any]) -> None:
    try:
        async with asyncio.timeout(limit):
            await step
    except TimeoutError:
        pass
