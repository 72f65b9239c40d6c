"""The examples of nats-client-py, a package for request/reply, in the terms of generated services.

Each test is named after the example. What its `NatsBroker` does is done by generated code on both sides: whoever calls,
publishes and listens is a generated service too, with a file of its own as a person would write it.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from nats.aio.client import Client

from natsgen.harness.service import GeneratedService
from natsgen.harness.waiting import wait_until
from tests.smoke.conftest import StartService, natsgen

pytestmark = pytest.mark.slow  # what each part does alone is proved beside it, in one service of each kind

LIMIT = 10.0  # seconds

GREET = """
from pydantic import BaseModel
from src.actions.action import action

class GreetRequest(BaseModel):
    name: str

class GreetResponse(BaseModel):
    message: str

@action("greet")
async def greet(request: GreetRequest) -> GreetResponse:
    return GreetResponse(message=f"Hello {request.name}!")
"""

WELCOME = """
from pydantic import BaseModel
from src.actions.action import action
from src.requests.nats import nats

class WelcomeRequest(BaseModel):
    name: str

@action("welcome")
async def welcome(request: WelcomeRequest) -> str:
    response = await nats.call("v1.greeter.greet", {"name": request.name})
    await nats.publish("v1.greeter.user_joined", {"user_id": "abc-123"})
    return response["message"]
"""

ORDER_CREATED = """
from pydantic import BaseModel
from src.actions.action import action
from src.utils.logging import logger

class OrderCreatedRequest(BaseModel):
    id: str
    customer: str

class OrderCreatedResponse(BaseModel):
    ack: bool

@action("order_created")
async def order_created(request: OrderCreatedRequest) -> OrderCreatedResponse:
    logger.info("processing order", id=request.id, customer=request.customer)
    return OrderCreatedResponse(ack=True)
"""

PLACE = """
from pydantic import BaseModel
from src.actions.action import action
from src.requests.nats import nats

class PlaceRequest(BaseModel):
    ids: list[str]

@action("place")
async def place(request: PlaceRequest) -> None:
    for number in request.ids:
        await nats.publish("v1.orders.order_created", {"id": number, "customer": "Ada"}, flush=True)
"""

WATCH = """
from pydantic import BaseModel
from src.actions.action import Context, action
from src.requests.listeners import Listener
from src.requests.nats import nats
from src.utils.logging import logger

subscription: Listener | None = None

class WatchRequest(BaseModel):
    on: bool

async def log_event(context: Context) -> None:
    logger.info("user logged in", user=context.payload["user"], came_on=context.message.subject)

@action("watch")
async def watch(request: WatchRequest) -> None:
    global subscription
    if subscription:
        await nats.unsubscribe(subscription)
    subscription = await nats.subscribe("v1.audit.user_login", log_event) if request.on else None
"""


@pytest.fixture
def made(tmp_path: Path) -> Callable[[str, str, str], Path]:
    """Makes a service with one action, and has `source` be its file; returns the service's folder."""

    def make(service: str, action: str, source: str) -> Path:
        natsgen(tmp_path / "shop", "new", "service", service, "--action", action)
        folder = tmp_path / "shop" / "services" / service
        (folder / f"src/domain/actions/{action}_action.py").write_text(source)
        return folder

    return make


async def result_of(client: Client, subject: str, payload: dict[str, Any]) -> Any:
    """What the action on `subject` returned, told by a client that knows nothing of natsgen."""
    reply = await client.request(subject, json.dumps(payload).encode(), timeout=LIMIT)
    assert not reply.headers, reply.data
    return json.loads(reply.data)["result"]


def logged(service: GeneratedService, message: str, name: str) -> list[Any]:
    """The values under `name` of what the service has logged with this message."""
    return [record[name] for record in service.log_records() if record["message"] == message]


async def eventually(condition: Callable[[], object], what: str) -> None:
    await asyncio.to_thread(wait_until, condition, limit=LIMIT, what=what)


async def test_reference_quick_start(
    made: Callable[[str, str, str], Path], start_service: StartService, client: Client
) -> None:
    start_service(made("greeter", "greet", GREET))
    start_service(made("portal", "welcome", WELCOME))
    events = await client.subscribe("v1.greeter.user_joined")

    said = await result_of(client, "v1.portal.welcome", {"name": "world"})

    assert said == "Hello world!"
    assert json.loads((await events.next_msg(timeout=LIMIT)).data) == {"user_id": "abc-123"}


async def test_reference_event_consumer(
    made: Callable[[str, str, str], Path], start_service: StartService, client: Client
) -> None:
    """Published, not asked: nobody waits for the answer, and of two processes one handles each event."""
    folder = made("orders", "order_created", ORDER_CREATED)
    consumers = [start_service(folder, name) for name in ("orders-1", "orders-2")]
    start_service(made("shop", "place", PLACE))
    ids = [str(number) for number in range(40)]

    await result_of(client, "v1.shop.place", {"ids": ids})

    def processed() -> list[list[str]]:
        return [logged(consumer, "processing order", "id") for consumer in consumers]

    await eventually(lambda: sum(map(len, processed())) >= len(ids), "every event is processed")
    first, second = processed()
    assert sorted(first + second, key=int) == ids
    assert first
    assert second
    assert set(logged(consumers[0], "processing order", "customer")) == {"Ada"}


async def test_reference_ad_hoc_subscriber(
    made: Callable[[str, str, str], Path], start_service: StartService, client: Client
) -> None:
    audit = start_service(made("audit", "watch", WATCH))

    await result_of(client, "v1.audit.watch", {"on": True})
    await client.publish("v1.audit.user_login", b'{"user": "Ada"}')
    await eventually(lambda: logged(audit, "user logged in", "user") == ["Ada"], "the event is logged")
    await result_of(client, "v1.audit.watch", {"on": False})
    await client.publish("v1.audit.user_login", b'{"user": "Bob"}')
    await result_of(client, "v1.audit.watch", {"on": True})  # on the same connection, so Bob has gone by
    await client.publish("v1.audit.user_login", b'{"user": "Eve"}')
    await eventually(lambda: "Eve" in logged(audit, "user logged in", "user"), "the next event is logged")

    assert logged(audit, "user logged in", "user") == ["Ada", "Eve"]
    assert set(logged(audit, "user logged in", "came_on")) == {"v1.audit.user_login"}
