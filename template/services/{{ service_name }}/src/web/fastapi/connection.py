"""The service's one NATS connection, as a dependency: `async def greet(request: GreetRequest, nats: Connection)`."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends

from src.requests.nats import Nats, nats


async def connection() -> Nats:
    """The connection that all requests share; a test may put another in its place with `dependency_overrides`."""
    return nats


Connection = Annotated[Nats, Depends(connection)]
