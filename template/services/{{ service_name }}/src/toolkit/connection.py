"""The connection that the toolkit uses: the worker's, or that of `src.toolkit.sync`."""

from __future__ import annotations

from src.infrastructure.nats_client import NatsClient
from src.infrastructure.publishing import channel

CONNECT_LIMIT = 5.0  # seconds


async def connected(what: str) -> NatsClient:
    """Return the connection; wait up to `CONNECT_LIMIT` seconds for it.

    Args:
        what: the user of the connection, for the error's message.

    Raises:
        RuntimeError: no worker runs in this process.
        NotConnected: there is no connection in time.
    """
    connection = channel(what)
    await connection.wait_connected(what, CONNECT_LIMIT)
    return connection
