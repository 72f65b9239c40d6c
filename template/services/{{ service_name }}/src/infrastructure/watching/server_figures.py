"""What the server says of the streams and consumers that the worker stands on, for `/stats`."""

from __future__ import annotations

from typing import Any

import nats.errors

from src.infrastructure.connection.nats_internals import server_name
from src.infrastructure.errors import named
from src.infrastructure.nats_client import NatsClient
from src.infrastructure.pull_consumer import Consumer
from src.infrastructure.watching.seldom import Seldom
from src.infrastructure.worker import Worker


class ServerFigures:
    """Asks the server, at most every `AGE` seconds and for no longer than `LIMIT`."""

    AGE = 5.0  # seconds that figures are shown again
    LIMIT = 1.0  # seconds

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._figures = Seldom(self._ask, self.AGE, self.LIMIT)

    async def get(self) -> dict[str, Any]:
        """Server, streams and consumers; in their place `error` where they are not known."""
        if not self._worker.nats.connected:
            return {"error": "not connected to NATS"}
        try:
            return await self._figures.get()
        except (nats.errors.Error, TimeoutError, OSError) as error:
            return {"error": named(error)}

    async def _ask(self) -> dict[str, Any]:
        nats = self._worker.nats
        consumers = {name: one for runner in self._worker.runners for name, one in runner.intake.consumers.items()}
        names = sorted({consumer.stream for consumer in consumers.values()})
        return {
            "name": server_name(nats.client),
            "version": str(nats.client.connected_server_version),
            "streams": {name: await _stream(nats, name) for name in names},
            "consumers": {name: await _consumer(nats, consumer) for name, consumer in consumers.items()},
        }


async def _stream(nats: NatsClient, name: str) -> dict[str, Any]:
    state = (await nats.jetstream.stream_info(name)).state
    return {
        "messages": state.messages,
        "bytes": state.bytes,
        "last_sequence": state.last_seq,
        "consumers": state.consumer_count,
    }


async def _consumer(nats: NatsClient, consumer: Consumer) -> dict[str, Any]:
    info = await nats.jetstream.consumer_info(consumer.stream, consumer.durable)
    return {
        "stream": consumer.stream,
        "durable": consumer.durable,
        "pending": info.num_pending or 0,
        "unacknowledged": info.num_ack_pending or 0,
        "redelivered": info.num_redelivered or 0,
    }
