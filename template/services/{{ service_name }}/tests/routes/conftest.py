"""Fixtures for the tests of routes: the application without a server, and stand-ins for other services."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg

from src.infrastructure.publishing import publish_over, wire
from src.requests.errors import NoResponders
from src.requests.nats import nats
from src.web.app import app
from tests.conftest import NoServer


class Response(NamedTuple):
    """The application's response."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """Return the body's JSON."""
        return json.loads(self.body)


class Http:
    """Sends requests to the application as a server does: `await http("POST", "/greet", {"name": "Ada"})`."""

    async def __call__(
        self, method: str, target: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> Response:
        """Return the response.

        Args:
            method: such as `POST`.
            target: the path, and a query behind a question mark.
            body: JSON data or bytes.
            headers: the request's headers.
        """
        path, _, query = target.partition("?")
        payload = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        sent = {"host": "localhost", "content-type": "application/json", **(headers or {})}
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": [(name.lower().encode(), value.encode()) for name, value in sent.items()],
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 80),
        }
        incoming = [{"type": "http.request", "body": payload, "more_body": False}]
        outgoing: list[Mapping[str, Any]] = []

        async def receive() -> dict[str, Any]:
            if not incoming:
                await asyncio.Event().wait()  # the client stays
            return incoming.pop()

        async def send(message: Mapping[str, Any]) -> None:
            outgoing.append(message)

        await app(scope, receive, send)
        start, *parts = outgoing
        received = {name.decode().lower(): value.decode() for name, value in start["headers"]}
        return Response(start["status"], received, b"".join(part.get("body", b"") for part in parts))


class Others:
    """Stand-ins for other services: the requests they received, and their answers. Nobody answers other subjects.

    Attributes:
        asked: subject and payload of each request.
    """

    def __init__(self) -> None:
        self.asked: list[tuple[str, Any]] = []
        self._replies: dict[str, bytes | Exception] = {}

    def answer(self, subject: str, result: Any) -> None:
        """Set the result of the action on this subject; an exception is raised in its caller."""
        self._replies[subject] = result if isinstance(result, Exception) else json.dumps({"result": result}).encode()

    async def request(
        self, subject: str, payload: Any = b"", *, timeout: float = 2.0, headers: Mapping[str, str] | None = None
    ) -> Msg:
        """Replace `nats.request`."""
        self.asked.append((subject, json.loads(wire(payload).payload or b"null")))
        reply = self._replies.get(subject, NoResponders(f"{subject}: nobody listens to it"))
        if isinstance(reply, Exception):
            raise reply
        return Msg(_client=Client(), subject="_INBOX", data=reply)


@pytest.fixture
def others(monkeypatch: pytest.MonkeyPatch) -> Others:
    """Return the services that routes call."""
    others = Others()
    monkeypatch.setattr(nats, "request", others.request)
    return others


@pytest.fixture
def http(others: Others, no_server: NoServer) -> Iterator[Http]:
    """Yield the application; `published` lists what it publishes."""
    publish_over(no_server)
    yield Http()
    publish_over(None)
