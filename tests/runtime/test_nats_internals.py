"""The private names of nats-py that a service uses: they are there, and do what the code relies on.

A service pins nats-py. Before that pin is changed, this has to pass with the new version.
"""

from __future__ import annotations

import ast
import asyncio
import contextlib
import inspect
import ssl
import tomllib
from importlib.metadata import version
from pathlib import Path
from typing import Any

import nats
import nats.errors
import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.aio.transport import TcpTransport, WebSocketTransport

from natsgen.harness.nats_server import NatsServer
from src.infrastructure import nats_internals
from src.infrastructure.nats_client import NatsClient
from src.infrastructure.nats_internals import (
    TolerantClient,
    abort,
    flush,
    has_ended_loop,
    send,
    subscribe,
    unsent_bytes,
    unsubscribe,
)
from tests.harness_tools.nats_admin import connections
from tests.runtime.conftest import SERVICE, until

FILE = Path(str(nats_internals.__file__))

# every private name, and the test that is about it
NAMES = {
    "_process_info": "test_a_server_without_tls_gets_nothing",
    "_process_headers": "test_headers_that_are_not_valid",
    "_build_message": "test_a_subject_that_is_not_valid",
    "_pending_queue": "test_messages_are_passed_on_as_they_arrive",
    "_conn": "test_what_belongs_to_a_subscription, test_the_socket",
    "_id": "test_what_belongs_to_a_subscription",
    "_send_unsubscribe": "test_unsubscribing",
    "_remove_sub": "test_unsubscribing",
    "_flush_pending": "test_a_flush_follows_what_was_sent_before",
    "_pending": "test_sending",
    "_pending_data_size": "test_sending",
    "_flush_queue": "test_sending",
    "_flusher_task": "test_each_loop_is_a_task",
    "_reading_task": "test_each_loop_is_a_task",
    "_transport": "test_the_socket",
    "_bare_io_writer": "test_the_socket",
    "_ws": "test_the_socket",
    "_sid": "test_a_message_is_built",
    "_subs": "test_aborting_ends_what_a_close_that_failed_left",
    "_stop_processing": "test_aborting_ends_what_a_close_that_failed_left",
}


def private_names(file: Path, in_strings: bool = False) -> set[str]:
    """The private names that a file uses of other objects than its own, perhaps also those that it has as strings."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Attribute):
            own = isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")
            found |= set() if own else {node.attr}
        elif isinstance(node, ast.keyword):
            found.add(node.arg or "")
        elif in_strings and isinstance(node, ast.Constant):
            found.add(str(node.value))
    return {name for name in found if name.isidentifier() and name.startswith("_") and not name.startswith("__")}


def test_every_private_name_is_tested_here() -> None:
    overridden = {"_process_info", "_process_headers", "_build_message"}

    assert private_names(FILE, in_strings=True) | overridden == set(NAMES)
    tests = {name.strip() for text in NAMES.values() for name in text.split(",")}
    assert all(any(name.startswith(test) for name in globals()) for test in tests)


def test_no_other_file_uses_private_names_of_libraries() -> None:
    """Of the core; what a class has for itself, it may use."""
    for file in sorted((SERVICE / "src" / "infrastructure").glob("*.py")):
        text = file.read_text()
        own = {name for name in private_names(file) if f"self.{name}" in text or f"def {name}" in text}
        assert file == FILE or private_names(file) - own - {"_asdict"} == set(), file.name


def test_a_service_pins_the_version_that_is_tested() -> None:
    project = tomllib.loads((SERVICE / "pyproject.toml").read_text())["project"]
    (pin,) = (text for text in project["dependencies"] if text.startswith("nats-py"))
    major_minor = ".".join(version("nats-py").split(".")[:2])

    assert "~=" in pin, "a later version may have other private names"
    assert pin.partition("~=")[2].startswith(f"{major_minor}.")


@pytest.fixture
async def connection(client: NatsClient) -> Client:
    """nats-py's client, connected."""
    return client.client


async def test_each_loop_is_a_task_that_lasts_as_long_as_the_connection(connection: Client) -> None:
    assert isinstance(connection._reading_task, asyncio.Task)
    assert isinstance(connection._flusher_task, asyncio.Task)
    assert not has_ended_loop(connection)

    connection._flusher_task.cancel()
    await until(lambda: has_ended_loop(connection), "the end to be seen")
    assert connection.is_connected, "nats-py does not notice"


async def test_a_server_without_tls_gets_nothing_from_a_client_that_needs_it(tmp_path: Path) -> None:
    received: list[bytes] = []

    async def pretend(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b'INFO {"auth_required": true, "tls_required": false}\r\n')
        received.append(await reader.read())
        writer.close()

    server = await asyncio.start_server(pretend, "127.0.0.1", 0)
    client = TolerantClient()
    url = f"tls://127.0.0.1:{server.sockets[0].getsockname()[1]}"

    with pytest.raises(nats.errors.Error, match="no TLS"):
        await client.connect([url], user="a", password="secret", allow_reconnect=False)
    abort(client)

    await until(lambda: received == [b""], "the end of the connection, and nothing before it")
    server.close()


INVALID_HEADERS = (b"NATS/1.0", b"NATS/1.0 \xff\r\n\r\n")


async def test_headers_that_are_not_valid_end_nats_pys_read_loop_and_not_ours() -> None:
    for invalid in INVALID_HEADERS:
        with pytest.raises((IndexError, UnicodeDecodeError)):
            await Client()._process_headers(invalid)  # if nats-py reads them itself, TolerantClient may go
        assert await TolerantClient()._process_headers(invalid) is None
    valid = b"NATS/1.0\r\nName: value\r\n\r\n"
    assert await TolerantClient()._process_headers(valid) == {"Name": "value"}


async def test_a_subject_that_is_not_valid_is_read_all_the_same() -> None:
    assert list(inspect.signature(Client._build_message).parameters) == [
        *("self", "sid", "subject", "reply", "data", "headers")
    ]
    with pytest.raises(UnicodeDecodeError):
        Client()._build_message(1, b"a.\xff", b"", b"", None)
    assert TolerantClient()._build_message(1, b"a.\xff", b"r", b"d", None).subject == "a.\ufffd"


async def test_a_message_is_built_as_nats_py_builds_it() -> None:
    theirs = Client()._build_message(7, b"a.b", b"r", b"d", {"Name": "value"})
    ours = TolerantClient()._build_message(7, b"a.b", b"r", b"d", {"Name": "value"})

    differing = [name for name in vars(theirs) if getattr(theirs, name) != getattr(ours, name)]
    assert differing == ["_client"]
    assert ours._sid == 7


async def test_messages_are_passed_on_as_they_arrive(connection: Client) -> None:
    received: list[bytes] = []
    subscription = await subscribe(connection, "a.>", lambda message: received.append(message.data))
    await flush(connection)
    for number in range(10):
        await connection.publish("a.b", b"%d" % number)
    await flush(connection)  # nats-py's own may send its PING first

    assert received == [b"%d" % number for number in range(10)], "in order, and before the flush is answered"
    assert subscription._pending_queue.empty()


async def test_what_belongs_to_a_subscription(connection: Client) -> None:
    subscription = await connection.subscribe("a.b")

    assert isinstance(subscription, Subscription)
    assert subscription._conn is connection
    assert connection._subs[subscription._id] is subscription


async def test_unsubscribing_drops_nothing_that_the_server_had_sent(
    connection: Client, nats_server: NatsServer
) -> None:
    received: list[Msg] = []
    publisher = await nats.connect(nats_server.url)
    subscription = await subscribe(connection, "a.b", received.append)
    await flush(connection)
    for _ in range(1_000):
        await publisher.publish("a.b", b"x")
    ending = asyncio.create_task(unsubscribe(subscription))
    await flush(publisher)
    await ending
    seen = len(received)

    await publisher.publish("a.b", b"x")
    await flush(publisher)
    await flush(connection)
    assert len(received) == seen, "nothing comes after it"
    assert subscription._id not in connection._subs
    assert int(connections(nats_server)[0]["subscriptions"]) <= 1
    await publisher.close()


async def test_a_flush_follows_what_was_sent_before(connection: Client, nats_server: NatsServer) -> None:
    """nats-py's own sends its PING first."""
    received: list[Msg] = []
    listener = await nats.connect(nats_server.url)
    await listener.subscribe("a.b", cb=_kept(received))
    await flush(listener)

    for _ in range(100):
        send(connection, "a.b", b"x")
    await flush(connection)
    await flush(listener)

    await until(lambda: len(received) == 100, "all of it")
    await listener.close()


def _kept(received: list[Msg]) -> Any:
    async def keep(message: Msg) -> None:
        received.append(message)

    return keep


@pytest.mark.parametrize("headers", [None, {"Name": "value", "Other": "h\u00e9"}], ids=["plain", "with headers"])
async def test_sending_is_what_publish_does_without_a_task_switch(
    connection: Client, headers: dict[str, str] | None
) -> None:
    received: list[Msg] = []
    await subscribe(connection, "a.b", received.append)
    await flush(connection)

    send(connection, "a.b", b"payload", headers)
    assert connection._pending_data_size == sum(map(len, connection._pending)) > 0
    assert connection.pending_data_size == connection._pending_data_size
    send(connection, "a.b", b"", headers)

    await until(lambda: len(received) == 2, "both, without a flush")
    assert [(m.data, m.headers) for m in received] == [(b"payload", headers), (b"", headers)]
    assert connection._pending_data_size == 0


async def test_the_socket_of_a_plain_connection(connection: Client) -> None:
    await _has_socket(connection)


async def test_the_socket_of_a_websocket(tmp_path: Path) -> None:
    configuration = "websocket { port: -1, no_tls: true }"
    with NatsServer(tmp_path / "nats", configuration=configuration) as server:
        log = "".join(path.read_text() for path in server.folder.glob("*.log"))
        port = log.rpartition("websocket clients on ws://")[2].split()[0].rpartition(":")[2]
        client = TolerantClient()
        await client.connect(f"ws://127.0.0.1:{port}")
        assert isinstance(client._transport, WebSocketTransport)
        await _has_socket(client)


async def test_aborting_ends_what_a_close_that_failed_left(connection: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tasks of subscriptions with a callback, of which nats-py's `request` has one."""

    async def reset() -> None:
        raise ConnectionResetError

    subscription = await connection.subscribe("a.b", cb=_kept([]))
    task = subscription._wait_for_msgs_task
    assert task is not None
    monkeypatch.setattr(connection._transport, "drain", reset)
    await connection.publish("a.b", b"x" * 100)
    with contextlib.suppress(ConnectionResetError):
        await connection._close(Client.CLOSED)
    assert not task.done(), "nats-py ends it itself now"

    abort(connection)

    await until(task.done, "the end of the task")


def test_the_socket_below_tls_is_the_same_attribute() -> None:
    """`connect_tls` replaces the writer that is used, and leaves the bare one."""
    source = inspect.getsource(TcpTransport.connect_tls)

    assert "_bare_io_writer" in inspect.getsource(TcpTransport)
    assert "self._bare_io_writer =" not in source
    assert ssl.HAS_TLSv1_2


async def _has_socket(client: Client) -> None:
    transport = nats_internals._socket_transport(client)
    assert transport is not None
    assert unsent_bytes(client) == transport.get_write_buffer_size() == 0

    abort(client)

    await until(lambda: transport.is_closing() and not client.is_connected, "the end of the connection")
