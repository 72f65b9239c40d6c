"""Opens what handlers share, such as a database pool, and lists the middleware. This file is yours."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from src.domain.settings import OwnSettings
from src.infrastructure.resources import Middleware

MIDDLEWARE: list[Middleware] = []


@dataclass
class Resources:
    """Holds what handlers share. A handler with a parameter `resources: Resources` gets it."""


@asynccontextmanager
async def open_resources(settings: OwnSettings) -> AsyncIterator[Resources]:
    """Open the resources before the first message, and close them after the last handler has ended.

    If this raises, the service stays unready and tries again. An `async def ready(self)` of `Resources` that raises
    makes the service unready as well.
    """
    yield Resources()
