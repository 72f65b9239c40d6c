"""The synchronous facade, on a real server; without a worker of its own, as in a script."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import nats
import pytest
from nats.js.api import ObjectMeta
from nats.js.errors import KeyNotFoundError, KeyWrongLastSequenceError, NotFoundError, ObjectNotFoundError
from pydantic import BaseModel

from natsgen.harness.nats_server import NatsServer
from natsgen.harness.waiting import wait_until
from src.actions.action import Action
from src.config import Settings
from src.infrastructure.errors import ConfigurationError, NotConnected, TooLarge
from src.infrastructure.nats_client import NatsClient
from src.infrastructure.nats_internals import flush
from src.infrastructure.subscription import Subscription
from src.requests.errors import NoResponders
from src.toolkit.batches import Outgoing, publish_many
from src.toolkit.kv import Bucket
from src.toolkit.objects import Store
from src.toolkit.streams import jetstream
from src.toolkit.sync import SyncNats
from tests.harness_tools.nats_admin import connections
from tests.runtime.conftest import SERVICE


class GreetRequest(BaseModel):
    name: str


class GreetResponse(BaseModel):
    message: str


async def greet(request: GreetRequest) -> GreetResponse:
    return GreetResponse(message=f"Hello {request.name}!")


@pytest.fixture
def sync(service_settings: Settings) -> Iterator[SyncNats]:
    with SyncNats(settings=service_settings) as nats:
        yield nats


def works(sync: SyncNats) -> bool:
    """Has something done on the server."""
    return isinstance(sync.blocking(jetstream)().streams_info(), list)


def test_sync_context_manager(nats_server: NatsServer) -> None:
    with SyncNats(nats_server.url) as sync:
        assert works(sync)
        [connection] = connections(nats_server)
        assert connection["name"].startswith("billing-")
    wait_until(lambda: not connections(nats_server), limit=30, what="the connection to end")
    assert not [thread for thread in threading.enumerate() if thread.name == "nats"]

    with pytest.raises(RuntimeError, match="not open"):
        works(sync)
    with sync:  # again
        assert works(sync)
    sync.close()


def test_sync_key_value(sync: SyncNats) -> None:
    bucket = sync.blocking(Bucket("config", history=3))
    config = bucket.open()

    first = config.put("database.host", b"localhost")
    entry = config.get("database.host")
    assert (entry.value, entry.revision) == (b"localhost", first)
    second = config.update("database.host", b"db", first)
    with pytest.raises(KeyWrongLastSequenceError):
        config.update("database.host", b"other", first)
    config.create("cache.ttl", b"300")
    assert list(bucket.keys()) == ["database.host", "cache.ttl"]
    assert [(kept.revision, kept.value) for kept in config.history("database.host")] == [
        (first, b"localhost"),
        (second, b"db"),
    ]
    config.delete("cache.ttl")
    with pytest.raises(KeyNotFoundError):
        config.get("cache.ttl")


def test_sync_key_value_watch(sync: SyncNats) -> None:
    bucket = sync.blocking(Bucket("config"))
    bucket.open().put("a", b"1")
    changes = bucket.watch()
    assert next(changes).value == b"1"
    threading.Timer(0.1, bucket.open().put, ("a", b"2")).start()
    assert next(changes).value == b"2"
    changes.close()  # type: ignore[attr-defined]


def test_sync_object_store(sync: SyncNats, tmp_path: Path) -> None:
    documents = sync.blocking(Store("documents"))
    content = b"Document content" * 10_000

    info = documents.open().put("reports/q4.pdf", content, meta=ObjectMeta(description="fourth"))
    assert (info.size, info.description) == (len(content), "fourth")
    assert [found.name for found in documents.open().list()] == ["reports/q4.pdf"]
    assert documents.get("reports/q4.pdf") == b"".join(documents.parts("reports/q4.pdf")) == content
    documents.get_to("reports/q4.pdf", tmp_path / "q4.pdf")
    assert (tmp_path / "q4.pdf").read_bytes() == content
    documents.open().delete("reports/q4.pdf")
    with pytest.raises(ObjectNotFoundError):
        documents.get("reports/q4.pdf")


def test_sync_streams_and_task_queue(sync: SyncNats) -> None:
    by_hand = sync.blocking(jetstream)()
    by_hand.add_stream(name="TASKS", subjects=["tasks.>"], max_msgs=10_000)
    by_hand.add_consumer("TASKS", durable_name="worker-1", ack_policy="explicit")
    assert sync.publish_to_stream("tasks.processing", {"task_type": "send_email"}).seq == 1

    [message] = by_hand.pull_subscribe_bind("worker-1", "TASKS").fetch(10, timeout=10)

    assert (message.data, message.subject) == (b'{"task_type":"send_email"}', "tasks.processing")
    assert "Correlation-Id" in message.headers
    message.ack_sync()
    assert by_hand.consumer_info("TASKS", "worker-1").ack_floor.stream_seq == 1
    by_hand.delete_stream("TASKS")
    with pytest.raises(NotFoundError):
        by_hand.stream_info("TASKS")


def test_sync_batch_publishing(sync: SyncNats) -> None:
    sync.blocking(jetstream)().add_stream(name="EVENTS", subjects=["events.>"])

    results = sync.blocking(publish_many)(
        [
            *((f"events.batch.{number}", f"Message {number}".encode()) for number in range(1000)),
            Outgoing("events.large", bytes(2_000_000)),
        ]
    )

    assert sum(result.ok for result in results) == 1000
    assert isinstance(results[-1].error, TooLarge)
    assert sync.blocking(jetstream)().stream_info("EVENTS").state.messages == 1000


def test_sync_publish_and_subscribe_with_wildcards_and_queue_groups(sync: SyncNats) -> None:
    heard: list[tuple[str, Any, str]] = []
    shared: list[str] = []

    def hear(context: Any) -> None:
        heard.append((context.subject, context.payload, context.headers.get("priority", "")))

    subscription = sync.subscribe("events.user.*", hear)
    for _ in range(3):
        sync.subscribe("tasks.processing", lambda context: shared.append(context.subject), queue="workers")
    sync.publish("events.user.login", b"\x00\xff", {"priority": "high"})
    sync.publish("events.user.deep.er", b"not heard")
    for _ in range(10):
        sync.publish("tasks.processing", {"n": 1}, flush=True)
    wait_until(lambda: heard and len(shared) == 10, limit=30, what="what was published")
    sync.unsubscribe(subscription)
    sync.publish("events.user.logout", b"not heard", flush=True)

    assert heard == [("events.user.login", b"\x00\xff", "high")]
    assert len(shared) == 10


async def test_sync_call_and_request(run_worker: Any, service_settings: Settings) -> None:
    async with run_worker(Action("greet", greet)):

        def script() -> tuple[Any, ...]:
            with SyncNats(settings=service_settings) as sync:
                with pytest.raises(NoResponders):
                    sync.call("v1.nobody.here")
                return (
                    sync.call("v1.billing.greet", {"name": "Ada"}),
                    sync.call("v1.billing.greet", GreetRequest(name="Ada"), response=GreetResponse),
                    sync.request("v1.billing.greet", b'{"name": "Ada"}').data,
                )

        found = await asyncio.to_thread(script)

    hello = "Hello Ada!"
    assert found == ({"message": hello}, GreetResponse(message=hello), b'{"result":{"message":"Hello Ada!"}}')


async def test_sync_beside_a_worker_uses_its_own_connection(
    run_worker: Any, client: NatsClient, service_settings: Settings
) -> None:
    """A handler's thread publishes by itself: nothing of the handler's loop is touched, and its chain goes on."""
    seen: list[str] = []

    async def handle(event: dict[str, Any]) -> None:
        def blocking() -> None:
            with SyncNats(settings=service_settings) as sync:
                sync.publish_to_stream("integration.order.followed", {})
                seen.append(sync.blocking(Bucket("config")).open().put("a", b"1"))

        await asyncio.to_thread(blocking)

    subscription = Subscription(handler="tested", subject="integration.order.created", function=handle)
    async with run_worker(subscription):
        await client.publish(subscription.subject, b"{}", {"Correlation-Id": "chain"})
        await asyncio.to_thread(wait_until, lambda: seen, limit=30, what="the thread")
        followed = await client.jetstream.get_last_msg("INTEGRATION", "integration.order.followed")

    assert (followed.headers or {})["Correlation-Id"] == "chain"


def test_sync_is_for_any_number_of_threads(sync: SyncNats) -> None:
    counter = sync.blocking(Bucket("counter")).open()
    counter.put("n", b"0")

    def add(_: int) -> None:
        while True:
            entry = counter.get("n")
            try:
                counter.update("n", b"%d" % (int(entry.value) + 1), entry.revision)
                return
            except KeyWrongLastSequenceError:
                continue

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(add, range(40)))

    assert counter.get("n").value == b"40"


async def test_sync_on_the_thread_of_an_event_loop_says_what_to_use_instead(service_settings: Settings) -> None:
    sync = SyncNats(settings=service_settings)
    with pytest.raises(RuntimeError, match=r"`await` the same method of `nats` in src\.requests\.nats"):
        sync.open()
    await asyncio.to_thread(sync.open)
    try:
        with pytest.raises(RuntimeError, match=r"asyncio\.to_thread"):
            sync.call("v1.nobody.here")
        with pytest.raises(RuntimeError, match="would block the event loop"):
            next(sync.blocking(Bucket("a")).keys())
        assert await asyncio.to_thread(works, sync)
    finally:
        await asyncio.to_thread(sync.close)


async def test_sync_in_a_notebook_may_block_its_loop(
    service_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cell runs on the thread of the kernel's loop, and blocks it as a matter of course; there is no kernel here."""
    monkeypatch.setitem(sys.modules, "ipykernel", sys)

    with SyncNats(settings=service_settings) as sync:
        sync.blocking(Bucket("config")).open().put("a", b"1")
        assert sync.blocking(Bucket("config")).open().get("a").value == b"1"


def test_sync_within_its_own_loop_says_so(sync: SyncNats) -> None:
    async def calls_itself() -> None:
        works(sync)

    with pytest.raises(RuntimeError, match="its own event loop"):
        sync.run(calls_itself)


def test_sync_listener_may_use_it(sync: SyncNats) -> None:
    config = sync.blocking(Bucket("config"))
    sync.subscribe("settings.set", lambda context: config.open().put("a", context.message.data))
    sync.publish("settings.set", {"n": 1}, flush=True)
    wait_until(lambda: list(config.keys()), limit=30, what="the listener")
    assert config.open().get("a").value == b'{"n":1}'


def test_sync_without_a_server_gives_up_and_leaves_nothing(service_settings: Settings) -> None:
    began = time.monotonic()
    with pytest.raises(NotConnected, match=r"no connection to 127\.0\.0\.1:1 within 0\.3 s"):
        SyncNats("nats://user:secret@127.0.0.1:1", connect_timeout=0.3, settings=service_settings).open()
    assert time.monotonic() - began < 8
    assert not [thread for thread in threading.enumerate() if thread.name == "nats"]


def test_sync_with_credentials_that_cannot_be_used_says_so(service_settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "bad.creds").write_text("nothing")
    bad = service_settings.model_copy(update={"NATS_CREDS_FILE": tmp_path / "bad.creds"})
    with pytest.raises(ConfigurationError, match="cannot connect to NATS"):
        SyncNats(settings=bad).open()


def test_sync_closing_wakes_who_waits(service_settings: Settings) -> None:
    sync = SyncNats(settings=service_settings).open()
    changes = sync.blocking(Bucket("config")).watch()
    with ThreadPoolExecutor(1) as thread:
        waiting = thread.submit(next, changes)
        sync.blocking(Bucket("config")).open().put("other", b"1")
        assert waiting.result(30).key == "other"
        waiting = thread.submit(next, changes)
        time.sleep(0.1)  # it should be waiting by now; if it is not, it finds it closed as well
        sync.close()
        with pytest.raises(RuntimeError, match=r"closed while|not open"):
            waiting.result(30)


def test_sync_survives_a_restart_of_the_server(sync: SyncNats, nats_server: NatsServer) -> None:
    config = sync.blocking(Bucket("config"))
    config.open().put("a", b"1")
    nats_server.restart()

    def put() -> bool:
        with contextlib.suppress(NotConnected, nats.errors.Error):
            return bool(config.open().put("a", b"2"))
        return False

    wait_until(put, limit=30, what="the server to be back")
    assert config.open().get("a").value == b"2"


def test_sync_after_a_fork_is_opened_again(sync: SyncNats) -> None:
    reader, writer = os.pipe()
    if (child := os.fork()) == 0:  # pytest's own state must not be touched in there
        said = "nothing"
        try:
            works(sync)
        except BaseException as error:
            said = str(error)
        try:
            said += f"; works: {works(sync.open())}"
            sync.close()
        finally:
            os.write(writer, said.encode())
            os._exit(0)
    os.close(writer)
    os.waitpid(child, 0)
    with os.fdopen(reader) as said_there:
        said = said_there.read()
    assert "opened before this process was forked" in said
    assert "works: True" in said
    assert works(sync)


SCRIPT = """
import sys, threading
from src.toolkit.kv import Bucket
from src.toolkit.sync import SyncNats

with SyncNats(sys.argv[1]) as nats:
    config = nats.blocking(Bucket("config"))
    config.open().put("a", b"1")
    print("open", flush=True)
    try:
        for entry in config.watch("b"):
            print(entry.key, flush=True)
    except KeyboardInterrupt:
        print("interrupted", int(config.open().get("a").value), flush=True)
        raise
"""


@pytest.mark.parametrize("times", [1, 3])
def test_sync_ctrl_c_ends_a_script_in_order(nats_server: NatsServer, times: int) -> None:
    script = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, nats_server.url],
        cwd=SERVICE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert script.stdout
        assert script.stdout.readline() == "open\n"
        wait_until(lambda: nats_server.jsz()["consumers"], limit=30, what="the script to watch")
        script.send_signal(signal.SIGINT)
        for _ in range(times - 1):
            script.send_signal(signal.SIGINT)
        out, errors = script.communicate(timeout=15)
    finally:
        script.kill()
        script.wait()

    assert script.returncode in (-signal.SIGINT, 130)
    assert "KeyboardInterrupt" in errors
    if times == 1:
        assert out == "interrupted 1\n"
        assert errors.count("Traceback") == 1  # the interrupt's own, and none from the background
    wait_until(lambda: not connections(nats_server), limit=30, what="the connection to end")


def test_sync_script_prints_nothing_of_its_own(nats_server: NatsServer) -> None:
    code = (
        "import sys; from src.toolkit.kv import Bucket; from src.toolkit.sync import SyncNats\n"
        "with SyncNats(sys.argv[1]) as nats: print(nats.blocking(Bucket('config')).open().put('a', b'1'))"
    )
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, nats_server.url],
        cwd=SERVICE,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert (run.returncode, run.stdout, run.stderr) == (0, "1\n", "")


async def test_sync_and_plain_nats_py_hear_each_other(nats_server: NatsServer) -> None:
    plain = await nats.connect(nats_server.url)

    async def answer(message: Any) -> None:
        await message.respond(b"answer to " + message.data)

    await plain.subscribe("api.users.get", cb=answer)
    await flush(plain)

    def script() -> bytes:
        with SyncNats(nats_server.url) as sync:
            return bytes(sync.request("api.users.get", b"user_id=123", timeout=5).data)

    assert await asyncio.to_thread(script) == b"answer to user_id=123"
    await plain.close()
