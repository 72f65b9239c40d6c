"""Publishers on a real NATS server: numbered, confirmed, and none lost while the server is away."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import nats
import pytest
from nats.js import JetStreamContext
from prometheus_client import generate_latest

from natsgen.harness.nats_server import NatsServer
from src.config import Settings
from src.domain.messages import EnvelopeMessage
from src.infrastructure.errors import ConfigurationError
from src.infrastructure.nats_internals import flush
from src.infrastructure.resources import shared
from src.infrastructure.worker import Worker
from src.pubsub.publishers import publisher as publishers
from src.pubsub.publishers.publisher import Publisher, Tick, publishes
from src.pubsub.publishers.runner import PublisherRunner
from src.pubsub.publishers.settings import PublisherSettings
from src.pubsub.publishers.settings import settings as publisher_settings
from tests.runtime.conftest import until

SUBJECT = "events.test"
OFTEN = 0.02  # seconds

RunPublisher = Callable[..., Any]


async def make(tick: Tick) -> EnvelopeMessage[dict[str, int]]:
    return EnvelopeMessage.new({"number": tick.sequence}, sequence=tick.sequence, source="python-publisher")


def publisher(function: Any = make, **options: Any) -> Publisher:
    return Publisher(name="tested", subject=SUBJECT, function=function, **{"every": OFTEN, **options})


@pytest.fixture
def run(service_settings: Settings) -> RunPublisher:
    """Runs a worker with publishers; leaving the context stops it."""

    @asynccontextmanager
    async def run(*publishers: Publisher, **changed: Any) -> AsyncIterator[Worker]:
        worker = Worker(service_settings.model_copy(update=changed))
        own = publisher_settings.model_copy(
            update={name: value for name, value in changed.items() if name in PublisherSettings.model_fields}
        )
        for one in publishers:
            worker.components.append(PublisherRunner(one, worker.nats, own))
        worker.working = work = asyncio.create_task(worker.run())
        try:
            yield worker
        finally:
            await worker.stop()
            await asyncio.wait([work])
            if not work.cancelled():
                work.result()

    return run


def stats(worker: Worker) -> dict[str, Any]:
    return dict(worker.stats()["publishers"][0])


async def stored(jetstream: JetStreamContext) -> list[Any]:
    last = (await jetstream.stream_info("EVENTS")).state.last_seq
    found = [await jetstream.get_msg("EVENTS", sequence) for sequence in range(1, last + 1)]
    return [json.loads(message.data or b"") for message in found]


async def test_publisher_interval_and_sequence_numbers(run: RunPublisher, jetstream: JetStreamContext) -> None:
    async with run(publisher(every=0.1)) as worker:
        began = asyncio.get_running_loop().time()
        await until(lambda: stats(worker)["sequence"] >= 5, "five messages")
        took = asyncio.get_running_loop().time() - began
        assert worker.readiness().ready

    messages = await stored(jetstream)
    assert took >= 0.4
    assert [message["sequence"] for message in messages] == list(range(1, len(messages) + 1))
    assert {message["source"] for message in messages} == {"python-publisher"}
    assert len({message["message_id"] for message in messages}) == len(messages)
    raw = await jetstream.get_msg("EVENTS", 1)
    assert (raw.headers or {})["Nats-Msg-Id"] == messages[0]["message_id"]


async def test_a_publisher_gets_the_resources_that_it_asks_for(
    run: RunPublisher, jetstream: JetStreamContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def made(resources: dict[str, int] | None) -> dict[str, int] | None:
        return resources

    async with run(publisher(made)) as worker:
        await until(lambda: stats(worker)["trouble"] == "", "the stream")
        monkeypatch.setattr(shared, "value", {"number": 7})
        await until(lambda: stats(worker)["sequence"] >= 1, "a message")

    assert (await stored(jetstream))[0] == {"number": 7}


@pytest.mark.parametrize("error", [asyncio.CancelledError, SystemExit])  # the former of what it awaits
async def test_a_publisher_that_fails_is_called_again(run: RunPublisher, error: type[BaseException]) -> None:
    called: list[int] = []

    async def made(tick: Tick) -> dict[str, int]:
        called.append(tick.sequence)
        if len(called) == 1:
            raise error
        return {"number": tick.sequence}

    async with run(publisher(made)) as worker:
        await until(lambda: stats(worker)["sequence"] >= 1, "a message")
        assert (stats(worker)["failed"], stats(worker)["last_error"]) == (1, f"{error.__name__}: ")


async def test_the_interval_is_the_setting_unless_the_publisher_has_its_own(run: RunPublisher) -> None:
    two = (publisher(every=None), Publisher(name="other", subject="events.o", function=make, every=7))
    async with run(*two, PUBLISH_INTERVAL=0.25) as worker:
        assert [one["every"] for one in worker.stats()["publishers"]] == [0.25, 7]


async def test_there_are_no_holes_though_the_server_is_killed(
    run: RunPublisher, jetstream: JetStreamContext, nats_server: NatsServer
) -> None:
    async with run(publisher()) as worker:
        await until(lambda: stats(worker)["sequence"] >= 10, "ten messages")
        nats_server.kill()
        await until(lambda: not worker.readiness().ready, "the worker to notice")
        before = stats(worker)["sequence"]
        nats_server.start()
        await until(lambda: stats(worker)["sequence"] >= before + 10, "ten more messages")

    messages = await stored(jetstream)
    assert [message["sequence"] for message in messages] == list(range(1, len(messages) + 1))


async def test_it_waits_for_a_server_that_is_not_there_yet(
    run: RunPublisher, nats_server: NatsServer, service_settings: Settings
) -> None:
    nats_server.kill()
    async with run(publisher()) as worker:
        await until(lambda: not worker.readiness().ready, "the worker to be unready")
        assert stats(worker)["sequence"] == 0
        nats_server.start()
        await until(lambda: stats(worker)["sequence"] >= 3, "three messages")


async def test_a_stream_that_goes_is_made_again(run: RunPublisher, jetstream: JetStreamContext) -> None:
    async with run(publisher()) as worker:
        await until(lambda: stats(worker)["sequence"] >= 2, "two messages")
        await jetstream.delete_stream("EVENTS")
        before = stats(worker)["sequence"]
        await until(lambda: stats(worker)["sequence"] >= before + 3, "three more messages", limit=30)
        assert stats(worker)["trouble"] == ""


async def test_where_no_stream_may_be_made_it_says_so(run: RunPublisher) -> None:
    with pytest.raises(ConfigurationError, match=r"no stream EVENTS for events\.>, and STREAM_MODE=verify"):
        async with run(publisher(), STREAM_MODE="verify") as worker:
            await until(lambda: worker.working and worker.working.done(), "the worker to end")


async def test_publisher_by_core_nats_reaches_whoever_listens(
    run: RunPublisher, nats_server: NatsServer, jetstream: JetStreamContext
) -> None:
    client = await nats.connect(nats_server.url)
    heard = await client.subscribe(SUBJECT)
    await flush(client)
    async with run(publisher(core=True)) as worker:
        sequences = [json.loads((await heard.next_msg(timeout=10)).data)["sequence"] for _ in range(5)]
        assert stats(worker)["mode"] == "core"
    await client.close()

    assert sequences == [1, 2, 3, 4, 5]
    assert [info.config.name for info in await jetstream.streams_info()] == []


async def test_by_core_nats_too_none_is_skipped_while_the_server_is_away(
    run: RunPublisher, nats_server: NatsServer
) -> None:
    made: list[int] = []

    async def noted(tick: Tick) -> EnvelopeMessage[dict[str, int]]:
        made.append(tick.sequence)
        return await make(tick)

    async with run(publisher(noted, core=True)) as worker:
        await until(lambda: stats(worker)["sequence"] >= 3, "three messages")
        nats_server.kill()
        await until(lambda: not worker.readiness().ready, "the worker to notice")
        nats_server.start()
        before = stats(worker)["sequence"]
        await until(lambda: stats(worker)["sequence"] >= before + 3, "three more messages", limit=30)

    assert made == list(range(1, len(made) + 1))


async def test_what_cannot_be_made_or_sent_leaves_its_number_to_the_next(
    run: RunPublisher, jetstream: JetStreamContext
) -> None:
    asked: list[int] = []

    async def fails_at_times(tick: Tick) -> Any:
        asked.append(tick.sequence)
        turn = len(asked)
        if turn == 2:
            raise RuntimeError("no data today")
        if turn == 3:
            return b"x" * 2_000_000
        if turn == 4:
            return {"thing": object()}  # no JSON
        return None if turn == 5 else {"number": tick.sequence}

    async with run(publisher(fails_at_times)) as worker:
        await until(lambda: stats(worker)["sequence"] >= 3, "three messages")
        told = stats(worker)

    assert asked[:6] == [1, 2, 2, 2, 2, 2]
    assert told["failed"] == 3
    assert told["last_error"].startswith("PydanticSerializationError: ")
    assert [message["number"] for message in await stored(jetstream)][:3] == [1, 2, 3]


async def test_stopping_lets_what_is_on_its_way_be_confirmed_and_begins_nothing_new(
    run: RunPublisher, jetstream: JetStreamContext
) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def slow(tick: Tick) -> dict[str, int]:
        begun.set()
        await go_on.wait()
        return {"number": tick.sequence}

    async with run(publisher(slow)) as worker:
        await begun.wait()
        stopping = asyncio.create_task(worker.stop())
        await until(lambda: worker.stopping, "the worker to be stopping")
        go_on.set()
        await stopping
        assert stats(worker)["sequence"] == 1

    assert await stored(jetstream) == [{"number": 1}]


async def test_a_publisher_that_does_not_end_is_cut_short(run: RunPublisher) -> None:
    begun = asyncio.Event()

    async def hangs() -> None:
        begun.set()
        await asyncio.Event().wait()

    async with run(publisher(hangs), GRACEFUL_SHUTDOWN_TIMEOUT=0.2) as worker:
        await begun.wait()
        async with asyncio.timeout(5):
            await worker.stop()


async def test_stopping_without_a_server_takes_no_time(run: RunPublisher, nats_server: NatsServer) -> None:
    async with run(publisher()) as worker:
        await until(lambda: stats(worker)["sequence"] >= 1, "a message")
        nats_server.kill()
        await until(lambda: not worker.readiness().ready, "the worker to notice")
        async with asyncio.timeout(10):
            await worker.stop(limit=60)


async def test_publisher_metrics(run: RunPublisher) -> None:
    async with run(publisher()) as worker:
        await until(lambda: stats(worker)["sequence"] >= 2, "two messages")
        text = generate_latest().decode()

    assert 'worker_published_total{publisher="tested"}' in text
    assert 'worker_publish_duration_seconds_bucket{le="+Inf",publisher="tested"}' in text


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"stream": "EVENTS", "core": True}, "core NATS has no streams"),
        ({"subject": "events.*"}, "no wildcards"),
        ({"subject": ""}, "no wildcards"),
        ({"function": lambda tick: None}, "not a coroutine function"),
    ],
)
def test_what_does_not_fit_is_refused_when_it_is_declared(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        Publisher(**{"name": "x", "subject": SUBJECT, "function": make, **options})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"every": 0.0}, "every is 0.0"),
        ({"every": 100_000.0}, "every is 100000.0"),
        ({"stream": "a b"}, "stream is 'a b'"),
    ],
)
def test_an_option_that_does_not_fit_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        publishes(SUBJECT, **options)(make)


def test_a_publisher_takes_a_tick_or_nothing() -> None:
    async def two(tick: Tick, more: int) -> None: ...
    async def keyword(*, more: int) -> None: ...
    async def none() -> None: ...

    for function in (two, keyword):
        with pytest.raises(ConfigurationError, match=r"use the parameters \(tick\) or none"):
            publisher(function)
    assert not publisher(none).takes_tick


def test_the_decorator_registers_and_returns_the_function(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publishers, "_registry", [])

    async def make_heart_beat(tick: Tick) -> None: ...

    assert publishes("heart.beat", every=1.5, core=True)(make_heart_beat) is make_heart_beat
    (found,) = publishers.registered()
    assert (found.name, found.subject, found.every, found.core) == ("heart_beat", "heart.beat", 1.5, True)
    with pytest.raises(ConfigurationError, match="unknown option evry; use one of every, core, stream"):
        publishes("heart.beat", evry=1)(make_heart_beat)  # type: ignore[call-arg]


def test_two_publishers_of_one_name_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publishers, "_registry", [publisher(), publisher()])

    with pytest.raises(ConfigurationError, match="two publishers are named tested"):
        publishers.registered()
