"""Actions: what they answer, and how a client sees it that knows nothing of the runtime."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import nats
import pytest
from nats.aio.client import Client
from pydantic import BaseModel

from natsgen.harness.nats_server import NatsServer
from src.infrastructure.action import Action, Context

SUBJECT = "v1.billing.greet"


class GreetRequest(BaseModel):
    name: str


class GreetResponse(BaseModel):
    message: str


async def greet(request: GreetRequest, context: Context) -> GreetResponse:
    """Greets somebody by name."""
    return GreetResponse(message=f"Hello {request.name}!")


@pytest.fixture
async def plain(nats_server: NatsServer) -> AsyncIterator[Client]:
    """A caller outside of the service that has nats-py and nothing else."""
    client = await nats.connect(nats_server.url)
    yield client
    await client.close()


async def asked(client: Client, subject: str = SUBJECT, payload: Any = b'{"name": "Ada"}', **options: Any) -> Any:
    return await client.request(subject, payload, timeout=options.pop("timeout", 5), **options)


async def test_a_request_is_answered(run_worker: Any, plain: Client) -> None:
    async with run_worker(Action("greet", greet)):
        reply = await asked(plain)

    assert json.loads(reply.data) == {"result": {"message": "Hello Ada!"}}
    assert not reply.headers
