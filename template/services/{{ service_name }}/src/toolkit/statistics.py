"""What JetStream stores for the service's account: `await server_statistics()`."""

from __future__ import annotations

from dataclasses import dataclass

from src.toolkit.connection import connected
from src.toolkit.errors import translated
from src.toolkit.streams import streams


@dataclass(frozen=True, slots=True)
class ServerStatistics:
    """The account's use of JetStream, and the traffic of the service's connection.

    Attributes:
        server: the URL of the server that it is connected to.
        version: of that server.
        streams: the number of streams.
        consumers: the number of consumers of all streams.
        messages: the number of messages in all streams.
        bytes: the size of those messages.
        memory: bytes of them that are in memory.
        storage: bytes of them that are on disk.
        api_requests: calls of the JetStream API so far.
        api_errors: how many of those were refused.
        in_messages: messages received on the service's connection.
        out_messages: messages sent on it.
        in_bytes: their size.
        out_bytes: their size.
    """

    server: str
    version: str
    streams: int
    consumers: int
    messages: int
    bytes: int
    memory: int
    storage: int
    api_requests: int
    api_errors: int
    in_messages: int
    out_messages: int
    in_bytes: int
    out_bytes: int


async def server_statistics() -> ServerStatistics:
    """Return what JetStream stores for the service's account.

    Raises:
        Unavailable, Refused: see `src.toolkit.errors`.
    """
    connection = await connected("statistics")
    found = [stream async for stream in streams.list()]
    with translated("statistics"):
        account = await connection.jetstream.account_info()
    client = connection.client
    return ServerStatistics(
        server=client.connected_url.netloc if client.connected_url else "",
        version=str(client.connected_server_version),
        streams=account.streams,
        consumers=account.consumers,
        messages=sum(stream.state.messages for stream in found),
        bytes=sum(stream.state.bytes for stream in found),
        memory=account.memory,
        storage=account.storage,
        api_requests=account.api.total,
        api_errors=account.api.errors,
        in_messages=client.stats["in_msgs"],
        out_messages=client.stats["out_msgs"],
        in_bytes=client.stats["in_bytes"],
        out_bytes=client.stats["out_bytes"],
    )
