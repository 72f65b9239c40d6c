"""The bookkeeping of pull requests: what is requested, and what each status of the server does to it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from nats.aio.msg import Msg

from src.infrastructure.provisioning import Consumer
from src.infrastructure.pull_consumer import PullConsumer

ENOUGH = PullConsumer.MOST_BYTES + 1


class Client:
    """Takes requests."""

    def __init__(self) -> None:
        self.max_payload = 1024 * 1024
        self.connected = True
        self.connections = 1
        self.service = "billing"
        self.client = self
        self.settings = SimpleNamespace(js_api_prefix="$JS.API")

    async def publish(self, subject: str, payload: bytes, reply: str) -> None:
        """Drops a request."""


async def provision() -> Consumer:
    return Consumer("EVENTS", "reader")


async def requested(prefetch: int = 100, *batches: int) -> tuple[PullConsumer, list[str]]:
    """A consumer that has requested so much, and the tokens of its requests."""
    client: Any = Client()
    pull = PullConsumer(client, provision, lambda *_: None, prefetch)
    pull._inbox, pull._connections = "_INBOX.x", 1
    pull.consumer = await provision()
    tokens = []
    for batch in batches or (prefetch,):
        tokens.append(f"{pull._requests}-{batch}")
        await pull._request(pull.consumer, batch)
    return pull, tokens


def arrive(pull: PullConsumer, count: int, size: int = 1, started: bool = False) -> None:
    """Has messages arrive, and start at once."""
    for _ in range(count):
        pull._on_frame(Msg(_client=None, subject="events.one", data=bytes(size)))  # type: ignore[arg-type]
        if started:
            pull.started(size)


def status(pull: PullConsumer, token: str, code: str, description: str, left: int | None) -> None:
    """Has the server send a status."""
    headers = {"Status": code, "Description": description}
    if left is not None:
        headers["Nats-Pending-Messages"] = str(left)
    pull._on_frame(Msg(_client=None, subject=f"{pull._inbox}.{token}", headers=headers))  # type: ignore[arg-type]


async def test_nothing_is_requested_before_a_quarter_of_the_prefetch_is_used_up() -> None:
    pull, _ = await requested(100)
    arrive(pull, 24, started=True)
    assert pull._due() == 0

    arrive(pull, 1, started=True)

    assert pull._due() == 25


async def test_what_is_held_counts_against_the_prefetch() -> None:
    pull, _ = await requested(100)
    arrive(pull, 100)
    assert pull._due() == 0

    for expected in (50, 100):
        for _ in range(50):
            pull.started(1)
        assert pull._due() == expected
    assert pull._wake.is_set()


async def test_what_is_held_is_bounded_in_bytes() -> None:
    """Defect B7: 500 messages of 1 MB were, and there is no end to how large they may be."""
    pull, _ = await requested(100)
    arrive(pull, 99, started=True)
    arrive(pull, 1, size=ENOUGH)
    assert pull._due() == 0

    pull.started(ENOUGH)

    assert pull._due() == 100


async def test_a_prefetch_of_one_requests_one_at_a_time() -> None:
    pull, _ = await requested(1)
    assert pull._due() == 0

    arrive(pull, 1)
    assert pull._due() == 0
    pull.started(1)

    assert pull._due() == 1


STATUSES = [
    # code, description, Nats-Pending-Messages, whether there is trouble then, is the consumer kept, what is pending
    ("100", "Idle Heartbeat", None, False, True, 100),
    ("408", "Request Timeout", 60, False, True, 40),
    ("408", "Interest Expired", 60, False, True, 40),
    ("408", "Request Timeout", None, False, True, 0),
    ("409", "Batch Completed", 60, False, True, 40),
    ("409", "Message Size Exceeds MaxBytes", 60, False, True, 40),
    ("409", "Leadership Change", None, False, True, 0),
    ("409", "Consumer Deleted", None, False, False, 0),
    ("409", "Server Shutdown", 60, False, True, 40),
    ("409", "Server Shutdown", None, False, True, 100),
    ("404", "No Messages", None, True, False, 0),
    ("503", "", None, True, False, 0),
    ("400", "Bad Request", None, True, False, 0),
    ("409", "Exceeded MaxRequestBatch of 10", None, True, False, 0),
    ("409", "Exceeded MaxWaiting", None, True, False, 0),
    ("409", "Consumer is push based", None, True, False, 0),
]


@pytest.mark.parametrize(("code", "description", "left", "trouble", "kept", "pending"), STATUSES)
async def test_a_status_does_what_it_means(
    code: str, description: str, left: int | None, trouble: bool, kept: bool, pending: int
) -> None:
    pull, (token,) = await requested()

    status(pull, token, code, description, left)

    assert pull._pending == pending
    assert (pull.consumer is not None) is kept, "it is provisioned again"
    assert (f"the server answers {code} {description}".strip() in pull._problem) is trouble


async def test_a_refused_request_leaves_the_others_waiting() -> None:
    pull, (_, refused) = await requested(100, 60, 40)

    status(pull, refused, "503", "", None)

    assert pull._pending == 60


@pytest.mark.parametrize(("code", "description"), [(code, text) for code, text, *_ in STATUSES])
async def test_a_status_of_a_forgotten_request_is_ignored(code: str, description: str) -> None:
    pull, (forgotten,) = await requested()
    pull._forget_requests()
    assert pull.consumer is not None
    await pull._request(pull.consumer, 100)

    status(pull, forgotten, code, description, 100)

    assert pull._pending == 100
    assert pull.trouble == ""


async def test_pending_never_falls_below_zero() -> None:
    pull, (token,) = await requested(10)
    arrive(pull, 12)

    status(pull, token, "408", "Request Timeout", 10)

    assert pull._pending == 0
