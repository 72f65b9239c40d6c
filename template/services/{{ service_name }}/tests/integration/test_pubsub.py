"""Publishers and subscribers, on a real NATS server."""

from __future__ import annotations

from functools import partial

from nats.js import JetStreamContext

from src.domain.messages import EnvelopeMessage
from src.pubsub.listening import CoreSubscriber
from src.pubsub.periodic import PeriodicPublisher, Tick
from src.pubsub.publishers import PeriodicPublishers
from src.pubsub.subscribers import CoreSubscribers
from tests.integration.conftest import NatsServer, RunWorker, until

SUBJECT = "integration.test"

Numbered = EnvelopeMessage[dict[str, int]]


async def make(tick: Tick) -> Numbered:
    return EnvelopeMessage.new({"number": tick.sequence}, sequence=tick.sequence)


async def test_what_a_publisher_publishes_a_subscriber_hears(run_worker: RunWorker) -> None:
    heard: list[int] = []

    async def hear(event: Numbered) -> None:
        heard.append(event.sequence)

    subscriber = CoreSubscriber(name="tested", subject=SUBJECT, function=hear)
    publisher = PeriodicPublisher(name="tested", subject=SUBJECT, function=make, every=0.02, core=True)
    async with (
        run_worker(partial(CoreSubscribers, [subscriber])),
        run_worker(partial(PeriodicPublishers, [publisher])),
    ):
        await until(lambda: len(heard) >= 5, "five messages are heard")

    assert heard[:5] == [1, 2, 3, 4, 5]


async def test_the_numbers_in_the_stream_have_no_holes_though_the_server_is_killed(
    run_worker: RunWorker, jetstream: JetStreamContext, nats_server: NatsServer
) -> None:
    publisher = PeriodicPublisher(name="tested", subject=SUBJECT, function=make, every=0.02)
    async with run_worker(partial(PeriodicPublishers, [publisher])) as worker:
        (component,) = worker.components
        await until(lambda: component.stats()[0]["sequence"] >= 5, "five messages are published")
        nats_server.kill()
        nats_server.start()
        before = component.stats()[0]["sequence"]
        await until(lambda: component.stats()[0]["sequence"] >= before + 5, "five more are published", limit=20)

    last = (await jetstream.stream_info("INTEGRATION")).state.last_seq
    stored = [await jetstream.get_msg("INTEGRATION", sequence) for sequence in range(1, last + 1)]
    numbers = [Numbered.read(message.data or b"", {}).sequence for message in stored]
    assert numbers == list(range(1, last + 1))
