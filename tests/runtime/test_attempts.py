"""Counting attempts by starts of the handler, on a real server."""

from __future__ import annotations

from nats.aio.msg import Msg

from src.config import Settings
from src.infrastructure.attempts import Attempts
from src.infrastructure.message import Message
from src.infrastructure.nats_client import NatsClient


def delivered(times: int, sequence: int = 7) -> Message:
    """A message that the server delivers for the `times`-th time."""

    async def answer(reply: str, payload: bytes) -> None: ...

    reply = f"$JS.ACK.S.c.{times}.{sequence}.9.1700000000000000000.0"
    return Message(Msg(_client=None, subject="a.b", reply=reply), "h", answer)  # type: ignore[arg-type]


async def test_a_first_delivery_is_the_first_attempt_and_asks_nobody(
    client: NatsClient, service_settings: Settings
) -> None:
    attempts = Attempts(client, service_settings)
    await client.close()

    assert await attempts.start(delivered(1), most=5) == 1


async def test_deliveries_that_started_no_handler_do_not_count(client: NatsClient, service_settings: Settings) -> None:
    attempts = Attempts(client, service_settings)

    assert await attempts.start(delivered(40), most=5) == 1


async def test_every_start_counts_also_in_another_worker(client: NatsClient, service_settings: Settings) -> None:
    first, second = Attempts(client, service_settings), Attempts(client, service_settings)

    assert [await first.start(delivered(2), 3), await second.start(delivered(9), 3)] == [1, 2]
    assert [await first.start(delivered(10), 3), await second.start(delivered(11), 3)] == [3, 4]
    assert await first.start(delivered(12), 3) == 4, "what is beyond the most is not noted"


async def test_a_failed_first_attempt_counts(client: NatsClient, service_settings: Settings) -> None:
    attempts = Attempts(client, service_settings)

    await attempts.failed(delivered(1))

    assert await attempts.start(delivered(2), most=5) == 2
    assert await attempts.start(delivered(2, sequence=8), most=5) == 1, "another message has a count of its own"


async def test_where_no_bucket_may_be_made_the_servers_count_is_taken(
    client: NatsClient, service_settings: Settings
) -> None:
    attempts = Attempts(client, service_settings.model_copy(update={"STREAM_MODE": "verify"}))

    assert await attempts.start(delivered(4), most=5) == 4
