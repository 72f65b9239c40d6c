"""What the unit tests share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js.api import PubAck

from src.config import settings
from src.infrastructure.message import Message
from src.requests.request import Context


class Published(NamedTuple):
    """What a handler published."""

    subject: str
    data: bytes
    headers: dict[str, str]


class NoServer:
    """Takes what a message's handler answers and publishes, instead of a NATS server."""

    service = settings.SERVICE_NAME

    def __init__(self) -> None:
        self.published: list[Published] = []

    def answer(self, reply: str, payload: bytes) -> None:
        """Drops the acknowledgement; `message.settled` tells that there was one."""

    async def answer_confirmed(self, reply: str, payload: bytes) -> None:
        """Drops it as well, as if a server had confirmed it."""

    async def publish(self, subject: str, data: bytes, headers: dict[str, str]) -> PubAck:
        """Keeps what was published, and confirms it."""
        self.published.append(Published(subject, data, headers))
        return PubAck(stream="NONE", seq=len(self.published))


@pytest.fixture
def sample_event() -> dict[str, Any]:
    """An event as it travels; a test sets `type` and `data` as it needs them."""
    return {
        "id": "evt_123",
        "type": "context.aggregate.event",
        "timestamp": "2024-01-15T10:00:00Z",
        "aggregateId": "agg_456",
        "data": {"field1": "value1"},
    }


@pytest.fixture
def sample_message() -> dict[str, Any]:
    """The same in the envelope of plain publishers."""
    return {
        "message_id": "publisher-42",
        "timestamp": "2024-01-15T10:00:00Z",
        "source": "publisher",
        "sequence": 42,
        "data": {"field1": "value1"},
    }


@pytest.fixture
def sample_cloud_event() -> dict[str, Any]:
    """The same as a CloudEvent."""
    return {
        "specversion": "1.0",
        "id": "evt_123",
        "source": "/publisher",
        "type": "context.aggregate.event",
        "time": "2024-01-15T10:00:00Z",
        "data": {"field1": "value1"},
    }


@pytest.fixture
def no_server() -> NoServer:
    """Where `message` publishes."""
    return NoServer()


@pytest.fixture
def published(no_server: NoServer) -> list[Published]:
    """What the handler published by `message`, in order."""
    return no_server.published


@pytest.fixture
def message(no_server: NoServer) -> Iterator[Message]:
    """A message for handlers that take one, on its first delivery; logs and new events follow from it."""
    raw = Msg(
        _client=Client(),
        subject="context.aggregate.event",
        reply="$JS.ACK.STREAM.durable.1.1.1.1705312800000000000.0",
        headers={"Nats-Msg-Id": "evt_123", "Correlation-Id": "corr_123"},
    )
    message = Message(raw, "handler", no_server)
    with message.bound():
        yield message


@pytest.fixture
def queues(monkeypatch: pytest.MonkeyPatch) -> None:
    """Has a handler that takes `message` enqueue tasks without a server; `published` lists them."""

    async def make_room(_: object, *, later: bool = False) -> None:
        """There always is."""

    monkeypatch.setattr("src.tasks.queue.Queue.make_room", make_room)


@pytest.fixture
def context() -> Context:
    """What an action that takes one is told of its request."""
    return Context(Msg(_client=Client(), subject="v1.service.action", headers={"Correlation-Id": "corr_123"}), "action")
