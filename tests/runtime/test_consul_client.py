"""A stop while the Consul agent accepts connections and never answers."""

from __future__ import annotations

import asyncio
import time

import pytest

from src.config import settings as service_settings
from src.infrastructure.consul_client import ConsulClient

LIMIT = 20.0  # seconds; a stop takes `STOP_LIMIT`


@pytest.mark.parametrize("at", ["while a request waits", "in the moment in which it times out"])
async def test_an_agent_that_is_silent_does_not_hold_a_stop(at: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """aiohttp makes one TimeoutError of its own cancellation and that of the stop, if both are due at once."""
    monkeypatch.setattr(ConsulClient, "TIME_LIMIT", 0.5)
    monkeypatch.setattr(ConsulClient, "STOP_LIMIT", 0.2)
    asked = asyncio.Event()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(65536):
            asked.set()
        writer.close()

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    agent = {"CONSUL_HOST": "127.0.0.1", "CONSUL_PORT": server.sockets[0].getsockname()[1]}
    client = ConsulClient(service_settings.model_copy(update=agent), lambda: (True, "consuming"), 8080)
    await asyncio.wait_for(asked.wait(), LIMIT)
    stopping = asyncio.create_task(client.deregister())
    if at != "while a request waits":
        time.sleep(0.6)  # noqa: ASYNC251 - so that both are due in the same turn of the loop

    await asyncio.wait_for(stopping, LIMIT)

    server.close()
    assert "consul" not in {task.get_name() for task in asyncio.all_tasks()}  # nothing registers it again
