"""Opens what handlers share, such as a database pool, and lists the middleware. This file is yours."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx
from structlog.contextvars import bound_contextvars

from src.domain.invoices import Invoices
from src.domain.settings import OwnSettings
from src.infrastructure.message import Message
from src.infrastructure.resources import CallNext, Middleware


async def with_tenant(message: Message, call_next: CallNext) -> None:
    """Name the tenant in every line that is logged while the message is handled."""
    with bound_contextvars(tenant=message.headers.get("Tenant", "none")):
        await call_next()


MIDDLEWARE: list[Middleware] = [with_tenant]


@dataclass
class Resources:
    """Holds what handlers share. A handler with a parameter `resources: Resources` gets it."""

    invoices: Invoices
    warehouse: httpx.AsyncClient

    async def ready(self) -> None:
        """Raise while the database is away, which makes the service unready."""
        await asyncio.to_thread(self.invoices.count)


@asynccontextmanager
async def open_resources(settings: OwnSettings) -> AsyncIterator[Resources]:
    """Open the resources before the first message, and close them after the last handler has ended."""
    token = settings.WAREHOUSE_TOKEN
    headers = {"Authorization": f"Bearer {token.get_secret_value()}"} if token else {}
    invoices = await asyncio.to_thread(Invoices.create, settings.DATABASE)
    async with httpx.AsyncClient(base_url=settings.WAREHOUSE_URL, headers=headers, timeout=5) as warehouse:
        yield Resources(invoices, warehouse)
