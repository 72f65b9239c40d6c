"""The proxy between a client and a server that sends back what it gets."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

import pytest

from natsgen.harness.errors import HarnessError
from natsgen.harness.waiting import wait_until
from tests.harness_tools.tcp_proxy import Direction, TcpProxy

SILENT = 0.3  # seconds without a byte that count as silence; loopback takes well under a millisecond


@pytest.fixture
def echo() -> Iterator[int]:
    """The port of a server that sends back what it gets."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve(connection: socket.socket) -> None:
            with connection, contextlib.suppress(OSError):
                while data := connection.recv(1024):
                    connection.sendall(data)

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def proxy(echo: int) -> Iterator[TcpProxy]:
    with TcpProxy(echo) as proxy:
        yield proxy


@contextlib.contextmanager
def connected(proxy: TcpProxy) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=5) as client:
        assert talks(client)
        yield client


def talks(client: socket.socket, text: bytes = b"hello", limit: float = 5.0) -> bool:
    """Whether `text` comes back within `limit` seconds, and nothing else does."""
    client.sendall(text)
    return hears(client, limit) == text


def hears(client: socket.socket, limit: float = 5.0) -> bytes:
    client.settimeout(limit)
    try:
        return client.recv(1024)
    except TimeoutError:
        return b""


def test_passes_on_both_ways_and_ends_with_its_ends(proxy: TcpProxy) -> None:
    with connected(proxy) as client:
        assert proxy.connections == 1
        client.shutdown(socket.SHUT_WR)
        assert hears(client) == b""
    wait_until(lambda: proxy.connections == 0, limit=30, what="the connection to end")


def test_the_last_bytes_before_the_end_arrive(proxy: TcpProxy) -> None:
    with connected(proxy) as client:
        client.sendall(b"last words")
        client.shutdown(socket.SHUT_WR)
        assert hears(client) == b"last words"


@pytest.mark.parametrize("direction", [Direction.BOTH, Direction.TO_SERVER, Direction.TO_CLIENT])
def test_stalled_it_is_silent_and_later_nothing_is_missing(proxy: TcpProxy, direction: Direction) -> None:
    with connected(proxy) as client:
        proxy.stall(direction)
        assert not talks(client, b"held", limit=SILENT)
        proxy.resume()
        assert hears(client) == b"held"


def test_stalled_it_accepts_connections_and_passes_nothing(proxy: TcpProxy) -> None:
    proxy.stall()
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=5) as client:
        assert not talks(client, limit=SILENT)


@pytest.mark.parametrize("direction", [Direction.BOTH, Direction.TO_SERVER, Direction.TO_CLIENT])
def test_abandoned_connections_are_silent_for_good_and_new_ones_work(proxy: TcpProxy, direction: Direction) -> None:
    with connected(proxy) as client:
        proxy.abandon(direction)
        assert not talks(client, limit=SILENT)
        proxy.resume()
        assert hears(client, limit=SILENT) == b""
        with connected(proxy) as another:
            assert talks(another)


def test_cut_ends_what_is_there_and_new_ones_work(proxy: TcpProxy) -> None:
    with connected(proxy) as client:
        proxy.cut()
        with contextlib.suppress(ConnectionError):
            assert hears(client) == b""
        wait_until(lambda: proxy.connections == 0, limit=30, what="the connection to end")
        with connected(proxy) as another:
            assert talks(another)


def test_a_stopped_proxy_refuses(proxy: TcpProxy) -> None:
    port = proxy.port
    proxy.stall()
    proxy.stop()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=5)


def test_without_its_target_it_hangs_up() -> None:
    with (
        TcpProxy(1) as nowhere,
        contextlib.suppress(ConnectionError),
        socket.create_connection(("127.0.0.1", nowhere.port), timeout=5) as client,
    ):
        assert hears(client) == b""


def test_has_no_port_before_its_start() -> None:
    with pytest.raises(HarnessError, match="before its start"):
        _ = TcpProxy(1).port
