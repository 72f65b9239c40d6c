"""What the worker has to know of nats-py's inside, since there is no public way to it. All of it is here.

Written against nats-py 2.16. An attribute that another version lacks is taken for "cannot tell", never for a fault.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import ConnectionClosedError, OutboundBufferLimitError
from nats.protocol.parser import Parser

from src.utils.logging import logger

GENTLE_LIMIT = 0.5  # seconds that a connection has to close in order before it is torn down

# Each is started with the connection and lives as long. One that has ended by an exception that nats-py does not expect
# leaves `is_connected` true (https://github.com/nats-io/nats.py/pull/914).
LOOPS = {"_reading_task": "read loop", "_flusher_task": "flusher", "_ping_interval_task": "ping loop"}


class LenientClient(Client):
    """nats-py's client, which also takes messages whose subject is no UTF-8, or whose headers are none.

    The server stores and delivers these. Each would end nats-py's read loop, together with all that came behind it, and
    again whenever it is delivered.
    """

    async def _process_headers(self, headers: bytes | None) -> dict[str, str] | None:
        if not headers:
            return None
        try:
            return await super()._process_headers(headers)
        except (IndexError, UnicodeDecodeError):
            return None

    def _build_message(
        self, sid: int, subject: bytes, reply: bytes, data: bytes, headers: dict[str, str] | None
    ) -> Any:
        try:
            # as nats-py's own does it, which is called so often that the way there would be seen
            return Msg(self, subject.decode(), reply.decode(), data, headers, _sid=sid)
        except UnicodeDecodeError:
            return Msg(self, subject.decode(errors="replace"), reply.decode(), data, headers, _sid=sid)


class CountingParser(Parser):
    """nats-py's parser, which also counts the bytes that the read loop hands it."""

    def __init__(self, client: Client) -> None:
        super().__init__(client)
        self.received = 0

    async def parse(self, data: bytes = b"") -> None:
        """Takes the next bytes of the connection."""
        self.received += len(data)
        await super().parse(data)


def count_received(client: Client) -> CountingParser:
    """Has the bytes counted that a client receives; to be called before it connects."""
    parser = CountingParser(client)
    client._ps = parser
    return parser


def unsent(client: Client) -> int:
    """How many bytes wait for the kernel to take them; 0 where that cannot be told."""
    transport = _socket_transport(client)
    return 0 if transport is None else int(transport.get_write_buffer_size())


def server_name(client: Client) -> str:
    """The name of the server that a client is connected to, as it says itself; empty where that cannot be told."""
    return str(getattr(client, "_server_info", {}).get("server_name", ""))


def ended_loop(client: Client) -> str:
    """Which of a connected client's loops has ended; empty while all run."""
    for attribute, name in LOOPS.items():
        task = getattr(client, attribute, None)
        if task is not None and task.done():
            return name
    return ""


def abort(client: Client) -> None:
    """Tears down what is below a client, also where the other side does not answer."""
    transport = _socket_transport(client)
    if transport is not None:
        transport.abort()


async def reconnect(client: Client) -> None:
    """Has a client make another connection although it takes the one that it has for alive.

    nats-py's loops end before the connection is torn down: what its flusher wrote to one that is being torn down would
    leave asyncio (Python 3.12 and later) with a writer for a file descriptor that soon is another connection's.
    """
    transport = _socket_transport(client)
    await client.force_reconnect()
    for _ in range(3):  # nats-py's task begins, cancels its loops, and these end
        await asyncio.sleep(0)
    if transport is not None:
        transport.abort()


class HandOver(asyncio.Queue[Msg]):
    """In the place of a subscription's queue: what the read loop puts in is handed on at once.

    nats-py itself has a task for each subscription that takes messages from the queue, one by one.
    """

    def __init__(self, receive: Callable[[Msg], None]) -> None:
        super().__init__()
        self._receive = receive

    def put_nowait(self, item: Msg) -> None:
        """Hands a message on. Nothing is raised: that would end nats-py's read loop."""
        try:
            self._receive(item)
        except Exception as error:
            logger.error("a frame of the server was not understood", subject=item.subject, exc_info=error)


async def subscribe(client: Client, subject: str, receive: Callable[[Msg], None], queue: str = "") -> Subscription:
    """Subscribes; `receive` is called with each message as it comes, so that nothing waits and no limit is needed."""
    subscription = await client.subscribe(subject, queue, pending_msgs_limit=0, pending_bytes_limit=0)
    came_already = subscription._pending_queue
    subscription._pending_queue = HandOver(receive)
    while not came_already.empty():
        subscription._pending_queue.put_nowait(came_already.get_nowait())
    return subscription


async def unsubscribe(subscription: Subscription) -> None:
    """Ends what `subscribe` began; all that the server sent for it has been received when this returns.

    nats-py's `drain` sends its PING ahead of the UNSUB, which waits for the flusher, and drops what comes after the
    answer: up to a whole pull request would wait for `ack_wait`.

    Raises:
        nats.errors.Error: the client is closed, or the server did not answer.
    """
    client = subscription._conn
    await client._send_unsubscribe(subscription._id)
    await flush(client)
    client._remove_sub(subscription._id)


async def flush(client: Client) -> None:
    """Returns when the server has all that was sent before. nats-py's own `flush` sends its PING ahead of what waits.

    Raises:
        nats.errors.Error: the client is closed, or the server did not answer.
    """
    await client._flush_pending(force_flush=True)
    await client.flush()


def publish(client: Client, subject: str, payload: bytes, headers: Mapping[str, str] | None = None) -> None:
    """nats-py's `publish` as a plain call, for what is small or sent often; it leaves with the next write.

    Args:
        client: connected, or to be again.
        subject: a subject that the server has told, so that it needs no check.
        payload: no larger than the server takes.
        headers: names as HTTP's, and values of one line each.

    Raises:
        ConnectionClosedError: the client is closed.
        OutboundBufferLimitError: too much waits for a connection.
    """
    connected = client.is_connected
    if not connected:
        if client.is_closed:
            raise ConnectionClosedError
        if client._pending_data_size + len(payload) > client._max_pending_size:
            raise OutboundBufferLimitError
    if headers is None:
        command = b"PUB %b %d\r\n%b\r\n" % (subject.encode(), len(payload), payload)
    else:
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        block = f"NATS/1.0\r\n{lines}\r\n".encode()
        sizes = (len(block), len(block) + len(payload))
        command = b"HPUB %b %d %d\r\n%b%b\r\n" % (subject.encode(), *sizes, block, payload)
    client._pending.append(command)
    client._pending_data_size += len(command)
    flushes = client._flush_queue
    if flushes is not None and connected and flushes.empty():
        flushes.put_nowait(asyncio.get_running_loop().create_future())


async def discard(client: Client, limit: float) -> bool:
    """Closes a client for good, in whatever state it is, with its sockets, tasks and subscriptions.

    What it has not sent is dropped: nats-py would try to send it first, and where that fails leave the rest open.

    Returns:
        Whether that was done within `limit` seconds.
    """
    client._pending, client._pending_data_size = [], 0
    closing = asyncio.create_task(client.close())
    _, late = await asyncio.wait([closing], timeout=min(GENTLE_LIMIT, limit))
    if late:
        abort(client)
        _, late = await asyncio.wait([closing], timeout=limit)
    for subscription in getattr(client, "_subs", {}).values():  # of a client that had closed halfway
        if task := getattr(subscription, "_wait_for_msgs_task", None):
            task.cancel()
    return not late and closing.exception() is None


def _socket_transport(client: Client) -> Any:
    """asyncio's transport of the socket itself, below TLS and WebSocket; None where there is none."""
    transport = getattr(client, "_transport", None)
    writer = getattr(transport, "_bare_io_writer", None)
    if writer is not None:
        return writer.transport
    return getattr(getattr(getattr(transport, "_ws", None), "_conn", None), "transport", None)
