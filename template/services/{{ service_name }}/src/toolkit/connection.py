"""The connection that the toolkit goes over: the worker's own, or that of `src.toolkit.sync`."""

from __future__ import annotations

from src.infrastructure.errors import CallTimeout
from src.infrastructure.nats_client import NatsClient
from src.requests.nats import Nats
from src.toolkit.errors import Unavailable


async def connected(nats: Nats, what: str) -> NatsClient:
    """The connection as it is right now; asked for anew each time, it outlives the client in it.

    Args:
        nats: whose it is.
        what: wants it, for the error's message.

    Raises:
        RuntimeError: no worker runs in this process.
        Unavailable: there is no connection, not within `Nats.CONNECT_LIMIT` either.
    """
    try:
        return await nats.connection(what)
    except CallTimeout as error:
        raise Unavailable(str(error)) from error
