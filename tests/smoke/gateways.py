"""What the tests of gateways share: how one is asked, and a client that chooses among several, as a balancer does."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import aiohttp

from natsgen.harness.ports import LOOPBACK
from natsgen.harness.service import GeneratedService

REQUEST_SECONDS = 30.0
PROBE_SECONDS = 0.1  # between looks at who is ready


class Answer(NamedTuple):
    """What came back."""

    status: int
    body: Any
    headers: Mapping[str, str]


async def ask(
    gateway: GeneratedService, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None
) -> Answer:
    """Asks over a connection of its own; `body` is sent as JSON, or as it is where it is bytes."""
    async with aiohttp.ClientSession() as session:
        return await _ask(session, gateway.port, method, path, body, headers)


async def _ask(
    session: aiohttp.ClientSession,
    port: int,
    method: str,
    path: str,
    body: Any = None,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    data = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
    sent = {"Content-Type": "application/json", **(headers or {})}
    url, limit = f"http://{LOOPBACK}:{port}{path}", aiohttp.ClientTimeout(total=REQUEST_SECONDS)
    async with session.request(method, url, data=data, headers=sent, timeout=limit) as response:
        text = await response.text()
        is_json = response.content_type == "application/json"
        return Answer(response.status, json.loads(text) if is_json else text, response.headers)


class Balancer:
    """Sends requests to those gateways that say they are ready, and no request twice.

    Attributes:
        answered: how many were.
        failed: what was not answered with 200, or not at all.
    """

    def __init__(self) -> None:
        self.gateways: list[GeneratedService] = []
        self.answered = 0
        self.failed: list[Any] = []
        self._ready: list[int] = []

    @asynccontextmanager
    async def load(self, clients: int, method: str, path: str, body: Any) -> AsyncIterator[None]:
        """Requests without a pause, by so many clients at once, until the end of the context."""
        async with aiohttp.ClientSession() as session:
            tasks = [asyncio.create_task(self._probe())]
            ending = asyncio.Event()
            tasks += [asyncio.create_task(self._send(session, ending, method, path, body)) for _ in range(clients)]
            try:
                yield
            finally:
                ending.set()
                await asyncio.wait(tasks[1:])
                tasks[0].cancel()

    async def _probe(self) -> None:
        while True:
            self._ready = [gateway.port for gateway in self.gateways if await _is_ready(gateway)]
            await asyncio.sleep(PROBE_SECONDS)

    async def _send(self, session: aiohttp.ClientSession, ending: asyncio.Event, *request: Any) -> None:
        turn = 0
        while not ending.is_set():
            if not self._ready:
                await asyncio.sleep(0.01)
                continue
            turn += 1
            try:
                answer = await _ask(session, self._ready[turn % len(self._ready)], *request)
                if answer.status == 200:
                    self.answered += 1
                else:
                    self.failed.append(answer)
            except (aiohttp.ClientError, OSError, TimeoutError) as error:
                self.failed.append(repr(error))


async def _is_ready(gateway: GeneratedService) -> bool:
    try:
        return (await ask(gateway, "GET", "/readyz")).status == 200
    except (aiohttp.ClientError, OSError):
        return False
