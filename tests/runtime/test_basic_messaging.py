"""Core NATS by the service's own connection, feature by feature, as people know them from broad clients."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import BaseModel

from natsgen.harness.waiting import wait_until
from src.requests.nats import Nats
from src.requests.request import Context

LIMIT = 10.0  # seconds


class UserEvent(BaseModel):
    user_id: str
    action: str


@pytest.fixture
def heard() -> list[Context]:
    return []


@pytest.fixture
def hear(heard: list[Context]) -> Callable[..., Any]:
    """A callback that keeps what it hears."""

    async def keep(context: Context) -> None:
        heard.append(context)

    return keep


async def eventually(condition: Callable[[], object], what: str) -> None:
    await asyncio.to_thread(wait_until, condition, limit=LIMIT, what=what)


async def test_publish_bytes_json_and_models(own_nats: Nats, hear: Any, heard: list[Context]) -> None:
    await own_nats.subscribe("events.user.login", hear)

    await own_nats.publish("events.user.login", b"User logged in")
    await own_nats.publish("events.user.login", {"user_id": "usr_123", "action": "login"})
    await own_nats.publish("events.user.login", UserEvent(user_id="usr_123", action="login"), flush=True)

    await eventually(lambda: len(heard) == 3, "three messages")
    event = b'{"user_id":"usr_123","action":"login"}'
    assert [context.message.data for context in heard] == [b"User logged in", event, event]
    assert [context.payload for context in heard[1:]] == [{"user_id": "usr_123", "action": "login"}] * 2


async def test_publish_with_headers(own_nats: Nats, hear: Any, heard: list[Context]) -> None:
    await own_nats.subscribe("events.order.*", hear)

    await own_nats.publish("events.order.created", b"Order data", {"priority": "high", "source": "web-app"}, flush=True)

    await eventually(lambda: heard, "the message")
    assert heard[0].headers == {"priority": "high", "source": "web-app"}


async def test_subscribe_with_a_callback(own_nats: Nats, hear: Any, heard: list[Context]) -> None:
    await own_nats.subscribe("events.user.*", hear)

    await own_nats.publish("events.user.login", {"user_id": "usr_123"}, flush=True)

    await eventually(lambda: heard, "the message")
    assert [(context.subject, context.payload) for context in heard] == [("events.user.login", {"user_id": "usr_123"})]


async def test_unsubscribe(own_nats: Nats, hear: Any, heard: list[Context]) -> None:
    subscription = await own_nats.subscribe("events.user.*", hear)
    await own_nats.publish("events.user.login", b"1", flush=True)
    await eventually(lambda: heard, "the first message")

    await own_nats.unsubscribe(subscription)
    await own_nats.publish("events.user.login", b"2", flush=True)
    await own_nats.subscribe("events.user.*", hear)
    await own_nats.publish("events.user.login", b"3", flush=True)  # on the same connection, so the second has gone by

    await eventually(lambda: len(heard) >= 2, "the third message")
    assert [context.message.data for context in heard] == [b"1", b"3"]


async def test_subject_hierarchy_with_wildcards(own_nats: Nats) -> None:
    heard: dict[str, list[str]] = {"orders.*": [], "orders.>": [], "*.payment.*": []}

    async def listen(pattern: str) -> None:
        async def keep(context: Context) -> None:
            heard[pattern].append(context.subject)

        await own_nats.subscribe(pattern, keep)

    for pattern in heard:
        await listen(pattern)
    for subject in ("orders.created", "orders.cancelled", "orders.payment.completed", "other.created"):
        await own_nats.publish(subject, b"", flush=True)

    await eventually(lambda: sum(map(len, heard.values())) >= 6, "six messages")
    assert heard == {
        "orders.*": ["orders.created", "orders.cancelled"],
        "orders.>": ["orders.created", "orders.cancelled", "orders.payment.completed"],
        "*.payment.*": ["orders.payment.completed"],
    }


async def test_queue_groups_share_100_messages(own_nats: Nats) -> None:
    done: Counter[str] = Counter()
    everybody: list[Any] = []

    async def work(worker: str) -> None:
        async def do(context: Context) -> None:
            done[worker] += 1

        await own_nats.subscribe("tasks.processing", do, queue="workers")

    async def watch(context: Context) -> None:
        everybody.append(context.payload)

    for worker in ("worker-1", "worker-2", "worker-3"):
        await work(worker)
    await own_nats.subscribe("tasks.processing", watch)
    for number in range(100):
        await own_nats.publish("tasks.processing", {"number": number})

    await eventually(lambda: done.total() >= 100 and len(everybody) >= 100, "100 messages")
    assert (done.total(), len(done)) == (100, 3)
    assert everybody == [{"number": number} for number in range(100)]


async def test_binary_data(own_nats: Nats, hear: Any, heard: list[Context]) -> None:
    await own_nats.subscribe("data.binary", hear)

    await own_nats.publish("data.binary", bytes(range(256)), flush=True)

    await eventually(lambda: heard, "the message")
    assert heard[0].message.data == bytes(range(256))


async def test_bulk_of_1000_messages(own_nats: Nats, hear: Any, heard: list[Context]) -> None:
    await own_nats.subscribe("test.bulk", hear)

    for number in range(1000):
        await own_nats.publish("test.bulk", b"Message %d" % number)

    await eventually(lambda: len(heard) >= 1000, "1000 messages")
    assert [context.message.data for context in heard] == [b"Message %d" % number for number in range(1000)]


async def test_notification_service(own_nats: Nats, hear: Any, heard: list[Context]) -> None:
    """A service that hears all that users do, and tells of it on subjects of its own."""

    async def notify(context: Context) -> None:
        event = UserEvent.model_validate(context.payload)
        await own_nats.publish(f"events.notification.{event.action}", {"to": event.user_id})

    await own_nats.subscribe("events.user.*", notify)
    await own_nats.subscribe("events.notification.>", hear)
    for action in ("login", "purchase"):
        await own_nats.publish(f"events.user.{action}", UserEvent(user_id="usr_123", action=action))

    await eventually(lambda: len(heard) >= 2, "two notifications")
    assert [(context.subject, context.payload) for context in heard] == [
        ("events.notification.login", {"to": "usr_123"}),
        ("events.notification.purchase", {"to": "usr_123"}),
    ]
