"""The NATS connection of FastAPI routes: `async def greet(request: GreetRequest, nats: Connection)`."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends

from src.requests.nats import Nats, nats


async def connection() -> Nats:
    """Return the connection that all requests share; tests can replace it with `dependency_overrides`."""
    return nats


Connection = Annotated[Nats, Depends(connection)]
