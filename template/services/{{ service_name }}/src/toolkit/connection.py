"""The connection that the toolkit uses: the worker's, or that of `src.toolkit.sync`."""

from __future__ import annotations

from src.infrastructure.nats_client import NatsClient
from src.infrastructure.publishing import channel
from src.toolkit.errors import Unavailable

CONNECT_LIMIT = 5.0  # seconds


def used(what: str) -> NatsClient:
    """Return the connection, in whatever state it is.

    Args:
        what: what needs it, for the error's message.

    Raises:
        RuntimeError: no worker runs in this process.
    """
    connection = channel()
    if connection is None:
        raise RuntimeError(f"{what}: no worker runs in this process")
    return connection


async def connected(what: str) -> NatsClient:
    """Return the connection; wait up to `CONNECT_LIMIT` seconds for it.

    Raises:
        RuntimeError: as `used` does.
        Unavailable: there is no connection in time.
    """
    connection = used(what)
    if not connection.connected:
        await connection.wait_connected(CONNECT_LIMIT)
    if not connection.connected:
        raise Unavailable(f"{what}: not connected to NATS")
    return connection
