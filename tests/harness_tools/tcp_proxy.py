"""A TCP proxy on 127.0.0.1 that can do to connections what networks do to them."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from enum import Flag, auto
from types import TracebackType
from typing import Self

from natsgen.harness.errors import HarnessError
from natsgen.harness.ports import LOOPBACK

CHUNK = 65_536
CONNECT_SECONDS = 5.0
JOIN_SECONDS = 5.0
RESET = struct.pack("ii", 1, 0)  # SO_LINGER for zero seconds: closing sends a reset


class Direction(Flag):
    """Which way bytes go."""

    TO_SERVER = auto()
    TO_CLIENT = auto()
    BOTH = TO_SERVER | TO_CLIENT


class TcpProxy:
    """Listens on a port of its own, of 127.0.0.1 or another `address`, and passes bytes to and from `target_port`.

    `stall` makes it silent with everything open, as a dead link does; `abandon` makes only the connections of this
    moment silent, for good; `resume` passes on again, also what was held; `cut` resets all connections. Each takes
    effect for bytes that have not been passed on yet. As a context manager it is started and stopped.
    """

    def __init__(self, target_port: int, address: str = LOOPBACK) -> None:
        self.target_port = target_port
        self._address = address
        self._open = {direction: threading.Event() for direction in (Direction.TO_SERVER, Direction.TO_CLIENT)}
        self._lock = threading.Lock()
        self._links: set[_Link] = set()
        self._listener: socket.socket | None = None
        self._accepting: threading.Thread | None = None

    @property
    def port(self) -> int:
        """The port that clients connect to. Raises `HarnessError` before the start."""
        if self._listener is None:
            raise HarnessError("the proxy has no port before its start")
        return int(self._listener.getsockname()[1])

    @property
    def connections(self) -> int:
        """How many connections are open."""
        with self._lock:
            return len(self._links)

    def start(self) -> None:
        """Listen, and pass everything on."""
        self._listener = socket.create_server(
            (self._address, 0), family=socket.AF_INET6 if ":" in self._address else socket.AF_INET
        )
        self.resume()
        self._accepting = threading.Thread(target=self._accept, name="proxy", daemon=True)
        self._accepting.start()

    def stop(self) -> None:
        """End all connections and listen no longer."""
        listener, self._listener = self._listener, None
        if listener is None or self._accepting is None:
            return
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts, which closing alone does not
        listener.close()
        self._accepting.join(JOIN_SECONDS)
        self.cut()
        self.resume()  # threads that wait go on, and find their sockets closed

    def stall(self, direction: Direction = Direction.BOTH) -> None:
        """Pass nothing on in this direction, on present and new connections, and close nothing."""
        for one in direction:
            self._open[one].clear()

    def abandon(self, direction: Direction = Direction.BOTH) -> None:
        """Pass nothing on any more on the connections of this moment, and close nothing; new ones work."""
        with self._lock:
            links = list(self._links)
        for link in links:
            link.dead |= direction

    def resume(self) -> None:
        """Pass on again what `stall` holds."""
        for event in self._open.values():
            event.set()

    def cut(self) -> None:
        """Reset all connections, at both ends; new ones work."""
        with self._lock:
            links = list(self._links)
        for link in links:
            link.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _accept(self) -> None:
        listener = self._listener
        while listener is not None:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection((LOOPBACK, self.target_port), timeout=CONNECT_SECONDS)
            except OSError:  # the client sees what it would see without the proxy: nobody there
                _reset(client)
                continue
            server.settimeout(None)
            link = _Link(client, server)
            with self._lock:
                self._links.add(link)
            for direction in Direction.BOTH:
                threading.Thread(target=self._pass_on, args=(link, direction), name="proxy-link", daemon=True).start()

    def _pass_on(self, link: _Link, direction: Direction) -> None:
        source, target = link.ends(direction)
        try:
            while data := source.recv(CHUNK):
                self._open[direction].wait()
                if direction in link.dead:
                    link.closed.wait()  # silent for good, until somebody closes it
                    break
                target.sendall(data)
            self._open[direction].wait()
            if direction not in link.dead:  # what ends at one end of an abandoned connection, the other never hears
                target.shutdown(socket.SHUT_WR)
        except OSError:
            link.close()  # one end is gone, so the other goes too
        if link.ended():
            link.close()
            with self._lock:
                self._links.discard(link)


class _Link:
    """One connection of a client and the one to the server that belongs to it."""

    def __init__(self, client: socket.socket, server: socket.socket) -> None:
        self._client = client
        self._server = server
        self._lock = threading.Lock()
        self._running = 2
        self.dead = Direction(0)
        self.closed = threading.Event()

    def ended(self) -> bool:
        """Note that one direction has ended; whether that was the second."""
        with self._lock:
            self._running -= 1
            return self._running == 0

    def ends(self, direction: Direction) -> tuple[socket.socket, socket.socket]:
        """Where bytes come from, and where they go to."""
        return (self._client, self._server) if direction is Direction.TO_SERVER else (self._server, self._client)

    def close(self) -> None:
        """Reset both."""
        self.closed.set()
        for end in (self._client, self._server):
            _reset(end)


def _reset(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)  # wakes the thread that reads it
    with contextlib.suppress(OSError):
        connection.close()
