"""What JetStream holds, and whether it really works: `await server_statistics()`, `await deep_health()`.

Asked of JetStream itself, with the service's own permissions; neither the system account nor the monitoring port.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from uuid import uuid4

import nats.errors as nats_errors
from nats.aio.client import Client
from nats.js.api import StorageType, StreamConfig
from nats.js.errors import NotFoundError

from src.infrastructure.connection.jetstream_api import ask
from src.infrastructure.connection.nats_internals import server_name
from src.infrastructure.errors import named
from src.requests.nats import Nats
from src.requests.nats import nats as service_nats
from src.toolkit.connection import connected
from src.toolkit.errors import ToolkitError, translated
from src.toolkit.streams import Streams

LEFT_BEHIND = 60  # seconds after which the stream of a check that never came to its end is cleared away


@dataclass(frozen=True, slots=True)
class ServerStatistics:
    """What the service's account has on the server, and the traffic of its own connection.

    Attributes:
        server: name of the server that it is connected to.
        version: of that server.
        streams: how many there are.
        consumers: how many there are, of all streams.
        messages: in all streams.
        bytes: of all streams' messages.
        memory: bytes that are kept in memory.
        storage: bytes that are kept on disk.
        api_requests: calls of the JetStream API so far.
        api_errors: of these, those that were refused.
        in_messages: that came over the service's connection.
        out_messages: that went over it.
        in_bytes: of the messages that came.
        out_bytes: of the messages that went.
        reconnects: of nats-py's client in use.
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
    reconnects: int


@dataclass(frozen=True, slots=True)
class DeepHealth:
    """Whether a message could be published, kept and read back.

    Attributes:
        healthy: whether it could.
        seconds: that publishing and reading back took; None where it failed.
        error: what was in the way; empty where nothing was.
    """

    healthy: bool
    seconds: float | None
    error: str


async def server_statistics(nats: Nats = service_nats) -> ServerStatistics:
    """What JetStream holds for the service's account.

    Raises:
        Unavailable, Refused: see `src.toolkit.errors`.
    """
    what = "statistics"
    connection = await connected(nats, what)
    messages = size = 0
    async for stream in Streams(nats).list():
        messages += stream.messages
        size += stream.bytes
    with translated(what):
        account = await connection.jetstream.account_info()
    client = connection.client
    return ServerStatistics(
        server=server_name(client),
        version=str(client.connected_server_version),
        streams=account.streams,
        consumers=account.consumers,
        messages=messages,
        bytes=size,
        memory=account.memory,
        storage=account.storage,
        api_requests=account.api.total,
        api_errors=account.api.errors,
        in_messages=client.stats["in_msgs"],
        out_messages=client.stats["out_msgs"],
        in_bytes=client.stats["in_bytes"],
        out_bytes=client.stats["out_bytes"],
        reconnects=client.stats["reconnects"],
    )


async def deep_health(nats: Nats = service_nats) -> DeepHealth:
    """Publishes to a stream in memory made for this, reads it back, and deletes the stream. Nothing is raised."""
    try:
        return DeepHealth(True, await _round_trip(nats), "")
    except (nats_errors.Error, ToolkitError, RuntimeError, TimeoutError, OSError) as error:
        return DeepHealth(False, None, named(error))


async def _round_trip(nats: Nats) -> float:
    connection = await connected(nats, "health check")
    service = connection.service
    subject = f"health.{service}.{uuid4().hex}"
    name = f"HEALTH_{service}_{int(time.time())}_{uuid4().hex[:8]}"
    jetstream = connection.jetstream
    await _clear_away(connection.client, service)
    await jetstream.add_stream(StreamConfig(name=name, subjects=[subject], storage=StorageType.MEMORY, max_age=60))
    try:
        began = time.monotonic()
        payload = subject.encode()
        ack = await connection.publish(subject, payload, {})
        found = await jetstream.get_msg(name, ack.seq)
        if found.data != payload:
            raise OSError("what was read back is not what was published")
        return time.monotonic() - began
    finally:
        await jetstream.delete_stream(name)


async def _clear_away(client: Client, service: str) -> None:
    """Deletes the streams of checks that never came to their end."""
    found = await ask(client, "STREAM.NAMES", {"subject": f"health.{service}.>"})
    for name in found.get("streams") or ():
        if not name.startswith(f"HEALTH_{service}_"):
            continue
        made = name.split("_")[-2]
        if made.isdigit() and time.time() - int(made) > LEFT_BEHIND:
            try:
                await client.jetstream().delete_stream(name)
            except NotFoundError:
                continue
