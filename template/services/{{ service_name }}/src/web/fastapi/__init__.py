"""What a route in FastAPI uses: `async def greet(request: GreetRequest, nats: Connection)`."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends

from src.requests.nats import Nats, nats


async def connection() -> Nats:
    """Return the connection that all requests share; a test may replace it with `dependency_overrides`."""
    return nats


Connection = Annotated[Nats, Depends(connection)]
