"""Requests without a pause, from a client that costs next to nothing: each answer brings the next request."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

CONNECT = b'CONNECT {"verbose":false,"headers":true,"no_responders":true}\r\nSUB bench.* 1\r\n'
INBOX = b"bench.i"
ANSWER = b"MSG " + INBOX
NOBODY = b"HMSG " + INBOX  # the server says so with a header, and nothing that is measured has one
WARM_UP = 0.3  # seconds, after which a request costs what it costs from then on


@dataclass(frozen=True)
class Figures:
    """What a responder did: answers a second, and its own microseconds of processor for each."""

    rate: float
    cost: float


class Requester(asyncio.Protocol):
    """Speaks NATS's protocol itself; `outstanding` requests wait for their answers at any time.

    Attributes:
        answered: answers so far.
    """

    def __init__(self, subject: str, payload: bytes, outstanding: int) -> None:
        self.answered = 0
        self._request = b"PUB %b %b %d\r\n%b\r\n" % (subject.encode(), INBOX, len(payload), payload)
        self._outstanding = outstanding
        self._rest = b""
        self._transport: asyncio.Transport | None = None
        self._ended = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Subscribe to the answers."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(CONNECT)

    def begin(self) -> None:
        """Send the first requests."""
        self._write(self._request * self._outstanding)

    def end(self) -> None:
        """Send no more."""
        self._ended = True
        if self._transport:
            self._transport.close()

    def data_received(self, data: bytes) -> None:
        """Count the answers, and send as many requests."""
        data = self._rest + data
        if NOBODY in data:  # which has the form of an answer within
            self.end()
            return
        if data.endswith(b"PING\r\n"):
            self._write(b"PONG\r\n")
        found = data.count(ANSWER)
        self._rest = data[data.rfind(b"\n") + 1 :]  # a line that has not come whole
        found -= self._rest.count(ANSWER)
        self.answered += found
        self._write(self._request * found)

    def _write(self, data: bytes) -> None:
        if self._transport and not self._ended:
            self._transport.write(data)


@asynccontextmanager
async def requesting(port: int, subject: str, payload: bytes, outstanding: int) -> AsyncIterator[Requester]:
    """Send requests while it is entered."""
    _, requester = await asyncio.get_running_loop().create_connection(
        lambda: Requester(subject, payload, outstanding), "127.0.0.1", port
    )
    requester.begin()
    try:
        yield requester
    finally:
        requester.end()


async def figures(requester: Requester, pid: int, seconds: float) -> Figures:
    """Return what the responder `pid` does in so many seconds, after a warm-up.

    Raises:
        TimeoutError: it does not answer.
    """
    await asyncio.sleep(WARM_UP)
    if not requester.answered:
        raise TimeoutError("nothing was answered")
    answered, used, began = requester.answered, _processor(pid), time.perf_counter()
    await asyncio.sleep(seconds)
    count, passed = requester.answered - answered, time.perf_counter() - began
    if not count:
        raise TimeoutError("nothing was answered any more")
    return Figures(count / passed, (_processor(pid) - used) / count * 1e6)


def _processor(pid: int) -> float:
    """Return the seconds of processor that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
