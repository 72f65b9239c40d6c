"""What a worker may do beside handling; its code is loaded only where the service has a file for it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from prometheus_client.core import Metric

from src.config import Settings
from src.infrastructure.nats_client import NatsClient
from src.infrastructure.receiving.streams import Streams

if TYPE_CHECKING:
    from src.infrastructure.worker import Worker

DOMAIN = Path(__file__).resolve().parents[2] / "domain"

OPTIONAL = {"actions": "action", "publishers": "publisher", "subscribers": "subscriber", "tasks": "task"}
"""The packages of the domain that are loaded only where they hold files, with what those are called."""


class Surroundings(NamedTuple):
    """What a component works with: the worker's connection and streams, and the service's settings."""

    nats: NatsClient
    streams: Streams
    settings: Settings


class Component(Protocol):
    """All parts of one kind, at work beside the handlers."""

    @property
    def kind(self) -> str:
        """What they are called, together: a key of `/stats`."""

    @property
    def trouble(self) -> str:
        """Why they do not all work, in a few words; empty while they do."""

    @property
    def begun(self) -> int:
        """How many messages it has received or made, and is not done with."""

    async def run(self) -> None:
        """Works until `stop` is called."""

    async def stop(self, limit: float, hurry: asyncio.Future[None] | None) -> None:
        """Begins nothing new, and finishes what has begun within `limit` seconds or until `hurry` is done."""

    def stats(self) -> list[dict[str, Any]]:
        """The counts of each."""

    def metrics(self) -> Iterable[Metric]:
        """The same for Prometheus."""


def register_components(worker: Worker) -> None:
    """Gives the worker every kind of part that the service has files of.

    Raises:
        ConfigurationError: a part does not fit.
    """
    for package, noun in OPTIONAL.items():
        if any((DOMAIN / package).glob(f"*_{noun}.py")):
            import_module(f"src.domain.{package}").register(worker)
