"""Counting attempts by starts of the handler, on a real server."""

from __future__ import annotations

from nats.aio.msg import Msg

from src.config import Settings
from src.infrastructure.attempts import Attempts
from src.infrastructure.message import Message
from src.infrastructure.nats_client import NatsClient
from src.infrastructure.origin import Origin


def delivered(times: int, sequence: int = 7) -> Message:
    """A message that the server delivers for the `times`-th time."""
    reply = f"$JS.ACK.S.c.{times}.{sequence}.9.1700000000000000000.0"
    return Message(Msg(_client=None, subject="a.b", reply=reply), "h", None)  # type: ignore[arg-type]


async def test_a_first_delivery_is_the_first_attempt_and_asks_nobody(
    client: NatsClient, service_settings: Settings
) -> None:
    attempts = Attempts(client, service_settings)
    await client.close()

    assert await attempts.start(delivered(1), most=5) == 1


async def test_of_many_deliveries_only_the_first_is_taken_for_a_start(
    client: NatsClient, service_settings: Settings
) -> None:
    """Of a message that waited behind one that kills its worker nobody noted anything."""
    attempts = Attempts(client, service_settings)

    assert await attempts.start(delivered(40), most=5) == 2


async def test_every_start_counts_also_in_another_worker(client: NatsClient, service_settings: Settings) -> None:
    first, second = Attempts(client, service_settings), Attempts(client, service_settings)

    assert [await first.start(delivered(1), 3), await second.start(delivered(2), 3)] == [1, 2]
    assert [await first.start(delivered(9), 3), await second.start(delivered(10), 3)] == [3, 4]
    assert await first.start(delivered(12), 3) == 4, "what is beyond the most is not noted"
    assert await first.start(delivered(2, sequence=8), most=3) == 2, "another message has a count of its own"


async def test_what_was_given_back_before_its_start_does_not_count(
    client: NatsClient, service_settings: Settings
) -> None:
    attempts = Attempts(client, service_settings)
    await attempts.prepare()

    for delivery in range(1, 6):
        await attempts.take_back(delivered(delivery))
        await client.client.flush()

    assert await attempts.start(delivered(6), most=5) == 1


async def test_a_start_that_the_worker_cut_short_does_not_count(client: NatsClient, service_settings: Settings) -> None:
    attempts = Attempts(client, service_settings)
    await attempts.prepare()

    for delivery in (2, 3, 4):
        message = delivered(delivery)
        message.attempt = await attempts.start(message, most=5)
        message.started = True
        assert message.attempt == 2
        await attempts.take_back(message)
        await client.client.flush()


async def test_with_one_attempt_the_first_start_is_noted_too(client: NatsClient, service_settings: Settings) -> None:
    attempts = Attempts(client, service_settings)

    assert [await attempts.start(delivered(1), most=1), await attempts.start(delivered(2), most=1)] == [1, 2]
    assert await attempts.start(delivered(2, sequence=8), most=1) == 1, "never started"


async def test_attempts_go_on_where_a_message_came_from(client: NatsClient, service_settings: Settings) -> None:
    """A delayed retry is another message on the server, and the same to its handler."""
    attempts = Attempts(client, service_settings)
    message = delivered(1)
    message.origin = Origin("a.b", "S", 3, "evt_1", attempts=3)

    assert await attempts.start(message, most=5) == 4


async def test_where_no_bucket_may_be_made_the_servers_count_is_taken(
    client: NatsClient, service_settings: Settings
) -> None:
    attempts = Attempts(client, service_settings.model_copy(update={"STREAM_MODE": "verify"}))

    assert await attempts.start(delivered(4), most=5) == 4
