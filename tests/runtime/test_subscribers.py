"""Subscribers on a real NATS server: queue groups, ages, errors, and a server that is away."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import msgpack
import nats
import pytest
from nats.aio.client import Client
from nats.js import JetStreamContext
from prometheus_client import REGISTRY
from pydantic import BaseModel

from natsgen.harness.nats_server import NatsServer
from src.config import Settings
from src.domain.cloud_events import CloudEvent
from src.domain.events import Event
from src.domain.messages import EnvelopeMessage
from src.infrastructure.errors import ConfigurationError
from src.infrastructure.http_server import endpoints
from src.infrastructure.publishing import publish
from src.infrastructure.resources import shared
from src.infrastructure.subscription import Subscription
from src.infrastructure.worker import Worker
from src.pubsub.subscribers import subscriber as subscribers
from src.pubsub.subscribers.runner import Ages, SubscriberRunner, refuse_clashes
from src.pubsub.subscribers.settings import SubscriberSettings
from src.pubsub.subscribers.settings import settings as subscriber_settings
from src.pubsub.subscribers.subscriber import Context, Subscriber, listens, overlap
from src.requests.nats import nats as module_nats
from src.toolkit.decoders import decode_with
from tests.runtime.conftest import until

SUBJECT = "events.test"

RunSubscribers = Callable[..., Any]


class Number(BaseModel):
    number: int


async def drop(event: Any) -> None: ...


def subscriber(function: Any = drop, **options: Any) -> Subscriber:
    return Subscriber(**{"name": "tested", "subject": SUBJECT, "function": function, **options})


@pytest.fixture
def run(service_settings: Settings) -> RunSubscribers:
    """Runs a worker with subscribers; leaving the context stops it."""

    @asynccontextmanager
    async def run(*subscribers: Subscriber, **changed: Any) -> AsyncIterator[Worker]:
        worker = Worker(service_settings.model_copy(update={"GRACEFUL_SHUTDOWN_TIMEOUT": 2.0} | changed))
        own = subscriber_settings.model_copy(
            update={name: value for name, value in changed.items() if name in SubscriberSettings.model_fields}
        )
        for one in subscribers:
            worker.components.append(SubscriberRunner(one, worker.nats, own))
        worker.working = work = asyncio.create_task(worker.run())
        try:
            await until(lambda: worker.readiness().ready, "the worker to be ready")
            yield worker
        finally:
            await worker.stop()
            await asyncio.wait([work])
            if not work.cancelled():
                work.result()

    return run


@pytest.fixture
async def outside(nats_server: NatsServer) -> AsyncIterator[Client]:
    """A client that knows nothing of the worker."""
    client = await nats.connect(nats_server.url, max_reconnect_attempts=-1, reconnect_time_wait=0.1)
    yield client
    await client.close()


def stats(worker: Worker) -> dict[str, Any]:
    return dict(worker.stats()["subscribers"][0])


def message(number: int, ago: float = 0.0) -> bytes:
    """A message of the reference's format, as another language would publish it."""
    return json.dumps(
        {
            "message_id": f"csharp-publisher-{number}",
            "timestamp": (datetime.now(UTC) - timedelta(seconds=ago)).isoformat().replace("+00:00", "Z"),
            "source": "csharp-publisher",
            "sequence": number,
            "data": {"number": number},
        }
    ).encode()


async def test_subscriber_hears_the_reference_message_format(run: RunSubscribers, outside: Client) -> None:
    heard: list[EnvelopeMessage[Number]] = []

    async def hear(event: EnvelopeMessage[Number]) -> None:
        heard.append(event)

    async with run(subscriber(hear)):
        for number in range(3):
            await outside.publish(SUBJECT, message(number))
        await until(lambda: len(heard) == 3, "three messages")

    assert [(one.message_id, one.source, one.sequence, one.data.number) for one in heard] == [
        (f"csharp-publisher-{number}", "csharp-publisher", number, number) for number in range(3)
    ]


async def test_a_subscriber_gets_the_resources_that_it_asks_for(
    run: RunSubscribers, outside: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[str] = []

    async def hear(event: str, resources: dict[str, str]) -> None:
        heard.append(resources[event])

    async with run(subscriber(hear)):
        monkeypatch.setattr(shared, "value", {"hello": "world"})
        await outside.publish(SUBJECT, b"hello")
        await until(lambda: heard == ["world"], "the message")


async def test_subscriber_latency_tracking(run: RunSubscribers, outside: Client) -> None:
    async def hear(event: EnvelopeMessage[Number]) -> None: ...

    def observed(bound: str) -> float:
        """How many messages were younger; other tests have counted as well."""
        labels = {"le": bound, "subscriber": "tested"}
        return REGISTRY.get_sample_value("worker_subscriber_latency_seconds_bucket", labels) or 0.0

    before = observed("0.5"), observed("+Inf")
    async with run(subscriber(hear)) as worker:
        for number in range(99):
            await outside.publish(SUBJECT, message(number, ago=1.0))
        await outside.publish(SUBJECT, message(99, ago=20.0))
        await until(lambda: stats(worker)["heard"] == 100, "a hundred messages")
        told = stats(worker)["latency_seconds"]
        after = observed("0.5"), observed("+Inf")

    assert told["count"] == 100
    assert 1.0 <= told["p50"] < 10.0
    assert 1.0 <= told["p99"] < 20.0
    assert (after[0] - before[0], after[1] - before[1]) == (0.0, 100.0)


def test_percentiles_are_of_the_latest_thousand() -> None:
    ages = Ages()
    assert ages.summary() == {"count": 0, "p50": None, "p99": None}

    for _ in range(500):
        ages.add(1000.0)
    for number in range(1000):
        ages.add(number / 1000)

    assert ages.summary() == {"count": 1500, "p50": 0.499, "p99": 0.989}


async def test_subscriber_queue_group_shares_the_load(
    run: RunSubscribers, outside: Client, service_settings: Settings
) -> None:
    heard: Counter[str] = Counter()
    numbers: list[int] = []

    def listener(name: str) -> Subscriber:
        async def hear(event: Number) -> None:
            heard[name] += 1
            numbers.append(event.number)

        return subscriber(hear)

    # the module-level `nats` belongs to the last worker that began, and no test here asks it
    async with run(listener("one"), QUEUE_GROUP="workers"), run(listener("other"), QUEUE_GROUP="workers"):
        for number in range(200):
            await outside.publish(SUBJECT, b'{"number": %d}' % number)
        await until(lambda: len(numbers) >= 200, "all messages")

    assert sorted(numbers) == list(range(200))
    assert min(heard["one"], heard["other"]) > 20


async def test_without_a_queue_group_each_hears_all(run: RunSubscribers, outside: Client) -> None:
    async with run(subscriber()) as one, run(subscriber(queue=""), QUEUE_GROUP="workers") as other:
        for _ in range(10):
            await outside.publish(SUBJECT, b"{}")
        await until(lambda: stats(one)["heard"] == stats(other)["heard"] == 10, "both to hear all")
        assert (stats(one)["queue_group"], stats(other)["queue_group"]) == ("", "")


async def test_what_it_cannot_read_and_what_fails_is_counted_and_the_next_comes(
    run: RunSubscribers, outside: Client
) -> None:
    async def hear(event: Event[Number]) -> None:
        if event.data.number == 1:
            raise RuntimeError("not this one\ud800")

    def event(number: int) -> bytes:
        return Event.new(SUBJECT, "a", Number(number=number)).wire().payload

    async with run(subscriber(hear)) as worker:
        for payload in (b"no JSON", event(1), event(2)):
            await outside.publish(SUBJECT, payload)
        await until(lambda: stats(worker)["heard"] == 1, "the last one")
        told = json.loads(endpoints(worker)["/stats"]()[2])["subscribers"][0]

    assert (told["received"], told["invalid"], told["failed"], told["dropped"]) == (3, 1, 1, 0)
    assert told["last_error"] == "RuntimeError: not this one?"
    assert told["latency_seconds"]["count"] == 2


@pytest.mark.parametrize("strict", [False, True])
async def test_subscriber_with_a_decoder_of_its_own(run: RunSubscribers, outside: Client, strict: bool) -> None:
    heard: list[int] = []

    async def hear(event: EnvelopeMessage[Number]) -> None:
        heard.append(event.data.number)

    async with run(subscriber(hear, decoder=decode_with(msgpack.unpackb, strict=strict))) as worker:
        await outside.publish(SUBJECT, message(1))
        await outside.publish(SUBJECT, msgpack.packb(json.loads(message(2))))
        await until(lambda: 2 in heard, "what is in MessagePack")
        told = stats(worker)

    assert (heard, told["invalid"]) == (([2], 1) if strict else ([1, 2], 0))


async def test_it_sees_headers_and_subject_and_what_it_publishes_follows(
    run: RunSubscribers, outside: Client, jetstream: JetStreamContext
) -> None:
    seen: list[tuple[str, str | None]] = []
    await jetstream.add_stream(name="FOLLOWED", subjects=["followed"])

    async def hear(event: bytes, context: Context) -> None:
        seen.append((context.subject, context.headers.get("Tenant")))
        await publish("followed", {"of": event.decode()})

    async with run(subscriber(hear, subject="events.*.made")):
        await outside.publish("events.thing.made", b"x", headers={"Tenant": "acme", "Correlation-Id": "c-1"})
        await until(lambda: len(seen) == 1, "the message")

    followed = await jetstream.get_last_msg("FOLLOWED", "followed")
    assert seen == [("events.thing.made", "acme")]
    assert (followed.headers or {})["Correlation-Id"] == "c-1"


@pytest.mark.parametrize("binary", [False, True])
async def test_cloudevents_are_heard_in_both_forms(run: RunSubscribers, binary: bool) -> None:
    heard: list[CloudEvent[Number]] = []

    async def hear(event: CloudEvent[Number]) -> None:
        heard.append(event)

    made = CloudEvent.new(SUBJECT, Number(number=7), subject="s \u20ac")
    async with run(subscriber(hear)) as worker:
        await module_nats.publish(SUBJECT, made.binary() if binary else made)
        await until(lambda: len(heard) == 1, "the event")
        assert stats(worker)["latency_seconds"]["count"] == 1

    assert heard[0].model_dump() == made.model_dump()


@pytest.mark.parametrize("binary", [False, True])
async def test_cloudevents_are_handled_and_published_in_both_forms(
    run_worker: Any, jetstream: JetStreamContext, binary: bool
) -> None:
    handled: list[CloudEvent[Number]] = []
    made = CloudEvent.new("integration.order.created", Number(number=7))

    async def handle(event: CloudEvent[Number]) -> None:
        handled.append(event)

    tested = Subscription(handler="tested", subject="integration.order.created", function=handle)
    async with run_worker(tested):
        await publish(made.type, made.binary() if binary else made)
        await until(lambda: len(handled) == 1, "the event")

    raw = await jetstream.get_last_msg("INTEGRATION", made.type)
    assert handled[0].model_dump() == made.model_dump()
    assert ("ce-id" in (raw.headers or {})) == binary
    assert (raw.headers or {})["Nats-Msg-Id"] == made.identity()


async def test_a_cloudevent_in_the_binary_form_is_what_it_was_after_it_was_a_dead_letter(
    run_worker: Any, jetstream: JetStreamContext
) -> None:
    async def handle(event: CloudEvent[Number]) -> None: ...

    tested = Subscription(handler="tested", subject="integration.order.created", function=handle)
    wrong = CloudEvent.new("integration.order.created", {"number": "many"})
    async with run_worker(tested) as worker:
        await publish(wrong.type, wrong.binary())
        await until(lambda: worker.runners[0].stats()["dead_letters"].get("invalid") == 1, "a dead letter")

    letter = await jetstream.get_last_msg("DLQ", "dlq.billing.tested")
    assert CloudEvent[Any].read(letter.data or b"", letter.headers or {}).model_dump() == wrong.model_dump()


async def test_it_hears_again_when_the_server_is_back(
    run: RunSubscribers, outside: Client, nats_server: NatsServer
) -> None:
    async with run(subscriber()) as worker:
        await outside.publish(SUBJECT, b"1")
        await until(lambda: stats(worker)["heard"] == 1, "the first message")
        nats_server.kill()
        await until(lambda: not worker.readiness().ready, "the worker to notice")
        nats_server.start()
        await until(lambda: worker.readiness().ready and outside.is_connected, "both to be connected")
        await outside.publish(SUBJECT, b"2")
        await until(lambda: stats(worker)["heard"] == 2, "the second message")


async def test_it_hears_on_a_client_that_replaced_another(run: RunSubscribers, outside: Client) -> None:
    async with run(subscriber()) as worker:
        old = worker.nats.client
        await old.close()  # for good, as nats-py does where credentials are refused
        await until(lambda: worker.nats.connected and worker.nats.client is not old, "another client")
        await until(lambda: worker.readiness().ready, "the subscriber to listen again")
        await outside.publish(SUBJECT, b"1")
        await until(lambda: stats(worker)["heard"] == 1, "the message")


async def test_stopping_hears_what_has_come(run: RunSubscribers, outside: Client) -> None:
    go_on = asyncio.Event()

    async def hear(event: Any) -> None:
        await go_on.wait()

    async with run(subscriber(hear)) as worker:
        for _ in range(5):
            await outside.publish(SUBJECT, b"1")
        await until(lambda: stats(worker)["received"] == 5, "five messages")
        stopping = asyncio.create_task(worker.stop())
        await until(lambda: worker.stopping, "the worker to be stopping")
        go_on.set()
        await stopping
        assert stats(worker)["heard"] == 5


async def test_a_second_signal_ends_the_wait(run: RunSubscribers, outside: Client) -> None:
    async def hear(event: Any) -> None:
        await asyncio.Event().wait()

    async with run(subscriber(hear)) as worker:
        await outside.publish(SUBJECT, b"1")
        await until(lambda: stats(worker)["received"] == 1, "the message")
        hurry = asyncio.get_running_loop().create_future()
        hurry.set_result(None)
        async with asyncio.timeout(5):
            await worker.stop(hurry, limit=60)


@pytest.mark.parametrize(
    ("one", "other", "meet"),
    [
        ("a.b", "a.b", True),
        ("a.b", "a.c", False),
        ("a.*", "a.c", True),
        ("a.>", "a.b.c", True),
        ("a.>", "a", False),
        ("a.b", "a.b.c", False),
        ("*.c", "a.*", True),
        ("a.*.c", "a.b.>", True),
        ("b.>", "a.b", False),
    ],
)
def test_two_subjects_overlap_or_do_not(one: str, other: str, meet: bool) -> None:
    assert overlap(one, other) == overlap(other, one) == meet


async def test_two_that_would_take_each_others_messages_are_refused(service_settings: Settings) -> None:
    wide = subscriber(name="wide", subject="events.>")
    nats = Worker(service_settings).nats

    def check(*declared: Subscriber) -> None:
        own = subscriber_settings.model_copy(update={"QUEUE_GROUP": "workers"})
        refuse_clashes([SubscriberRunner(one, nats, own) for one in declared])

    with pytest.raises(ConfigurationError, match=r"are both in the group workers, and a message on both events\.test"):
        check(subscriber(), wide)
    with pytest.raises(ConfigurationError, match="two subscribers are named tested"):
        check(subscriber(), subscriber(subject="a.b"))
    check(subscriber(), subscriber(name="wide", subject="events.>", queue=""))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"subject": "a..b"}, "subject is 'a..b'"),
        ({"function": lambda event: None}, "not a coroutine function"),
    ],
)
def test_what_does_not_fit_is_refused_when_it_is_declared(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        subscriber(**{"function": drop, **options}).signature  # noqa: B018


def test_a_list_is_refused() -> None:
    async def hear(events: list[dict[str, Any]]) -> None: ...

    with pytest.raises(ConfigurationError, match="receives one message at a time"):
        subscriber(hear).signature  # noqa: B018


def test_the_decorator_registers_and_returns_the_function(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subscribers, "_registry", [])

    async def hear_heart_beat(event: bytes) -> None: ...

    assert listens("heart.*", queue="workers")(hear_heart_beat) is hear_heart_beat
    (found,) = subscribers.registered()
    assert (found.name, found.subject, found.queue) == ("heart_beat", "heart.*", "workers")
    with pytest.raises(ConfigurationError, match="unknown option group; use one of queue"):
        listens("heart.*", group="workers")(hear_heart_beat)  # type: ignore[call-arg]
    with pytest.raises(ConfigurationError, match="queue is 'a b'"):
        listens("heart.*", queue="a b")(hear_heart_beat)
