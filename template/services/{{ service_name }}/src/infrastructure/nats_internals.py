"""The private parts of nats-py that the worker needs because there is no public way. They are all in this file.

Written for nats-py 2.16, which `pyproject.toml` pins: check each name here before you change that pin.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from src.utils.logging import logger


class TolerantClient(Client):
    """nats-py's client, which also accepts a message whose subject or headers are not valid UTF-8.

    The server stores and delivers such messages. In nats-py, each of them ends the read loop, at every delivery.
    Unlike nats-py, it sends nothing without TLS to a server whose address is `tls://...`.
    """

    async def _process_info(self, info: dict[str, Any], initial_connection: bool = False) -> None:
        if initial_connection and self.servers[0].scheme == "tls":  # nothing has been sent yet
            info["tls_required"] = info.get("tls_required") or info.get("tls_available")
            if not info["tls_required"]:
                raise nats.errors.Error("the server offers no TLS")
        await super()._process_info(info, initial_connection)

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
        return Msg(self, subject.decode(errors="replace"), reply.decode(), data, headers, _sid=sid)


class DirectQueue(asyncio.Queue[Msg]):
    """A subscription's queue that passes each message on at once. nats-py's own needs one more task switch each."""

    def __init__(self, receive: Callable[[Msg], None]) -> None:
        super().__init__()
        self._receive = receive

    def put_nowait(self, item: Msg) -> None:
        """Pass a message on. An exception would end nats-py's read loop, so it is logged instead."""
        try:
            self._receive(item)
        except Exception as error:
            logger.error("message from the server not understood", subject=item.subject, exc_info=error)


async def subscribe(client: Client, subject: str, receive: Callable[[Msg], None], queue: str = "") -> Subscription:
    """Subscribe, and call `receive` with each message as it arrives. There is no queue, and so no limit."""
    subscription = await client.subscribe(subject, queue, pending_msgs_limit=0, pending_bytes_limit=0)
    early = subscription._pending_queue
    subscription._pending_queue = DirectQueue(receive)
    while not early.empty():
        subscription._pending_queue.put_nowait(early.get_nowait())
    return subscription


async def unsubscribe(subscription: Subscription) -> None:
    """End a subscription. Everything that the server sent for it has been received when this returns.

    nats-py's `drain` sends its PING ahead of the UNSUB and drops what arrives after the answer.

    Raises:
        nats.errors.Error: the client is closed, or the server did not answer.
    """
    client = subscription._conn
    await client._send_unsubscribe(subscription._id)
    await flush(client)
    client._remove_sub(subscription._id)


async def succeeds(step: Coroutine[Any, Any, None], limit: float) -> bool:
    """Return whether a step that the server confirms ends well within `limit` seconds.

    It is not cancelled: a late answer would end nats-py's read loop.
    """
    task = asyncio.create_task(step)
    _, late = await asyncio.wait([task], timeout=limit)
    return not late and task.exception() is None


async def flush(client: Client) -> None:
    """Return when the server has everything sent so far. nats-py's `flush` sends its PING ahead of what is buffered.

    Raises:
        nats.errors.Error: the client is closed, or the server did not answer.
    """
    await client._flush_pending(force_flush=True)
    await client.flush()


def send(client: Client, subject: str, payload: bytes, headers: Mapping[str, str] | None = None) -> None:
    """Publish without awaiting: nats-py's `publish` for acks and replies, which are small and frequent.

    Args:
        client: a connected client.
        subject: a reply subject from the server, which needs no check.
        payload: smaller than the server's `max_payload`.
        headers: valid names, and values of one line each.
    """
    if headers is None:
        command = b"PUB %b %d\r\n%b\r\n" % (subject.encode(), len(payload), payload)
    else:
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        block = f"NATS/1.0\r\n{lines}\r\n".encode()
        sizes = (len(block), len(block) + len(payload))
        command = b"HPUB %b %d %d\r\n%b%b\r\n" % (subject.encode(), *sizes, block, payload)
    client._pending.append(command)
    client._pending_data_size += len(command)
    if (flushes := client._flush_queue) and flushes.empty():
        flushes.put_nowait(asyncio.get_running_loop().create_future())


def has_ended_loop(client: Client) -> bool:
    """Return whether nats-py reads or sends no more, although `is_connected` may be true (nats.py#914)."""
    return any(task is not None and task.done() for task in (client._reading_task, client._flusher_task))


def unsent_bytes(client: Client) -> int:
    """Return how many bytes wait for the kernel; 0 if unknown."""
    transport = _socket_transport(client)
    return 0 if transport is None else int(transport.get_write_buffer_size())


def abort(client: Client) -> None:
    """Close the socket at once, and drop what has not been sent. A half-open connection never closes in order."""
    client._pending, client._pending_data_size = [], 0
    for subscription in client._subs.values():  # `close` leaves them if it fails halfway
        subscription._stop_processing()
    transport = _socket_transport(client)
    if transport is not None:
        transport.abort()


def _socket_transport(client: Client) -> Any:
    """Return asyncio's transport below TLS and WebSocket; None if there is none."""
    transport = client._transport
    socket = getattr(transport, "_bare_io_writer", None) or getattr(getattr(transport, "_ws", None), "_conn", None)
    return getattr(socket, "transport", None)
