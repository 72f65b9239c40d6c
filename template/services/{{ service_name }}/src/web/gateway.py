"""What is around the application, whatever framework it is written in: every request comes through here."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any

from src.config import VERSION
from src.infrastructure.errors import named
from src.infrastructure.handling.context import current_request
from src.infrastructure.service import Service
from src.infrastructure.watching.operations import JSON, Operations
from src.utils.logging import logger
from src.web.asgi import Application, Receive, Scope, Send, respond
from src.web.config import WebSettings
from src.web.counts import Counts
from src.web.exchange import Exchange
from src.web.problems import BODY_TOO_LARGE, NOT_ALLOWED, STOPPED, Problem, is_foreseen, problem_of

LEFT = 499  # what is counted where the client went away before there was a response


class Gateway:
    """An ASGI application: the endpoints for probes and scrapes, and around the rest correlation, limits and counts.

    Args:
        settings: the service's settings.
        service: whose worker has the connection to NATS.
        application: the framework's, which has the routes.
        route_of: the template of the path, such as `/orders/{id}`, that a request's scope was answered by; empty where
            there is none.
    """

    def __init__(
        self, settings: WebSettings, service: Service, application: Application, route_of: Callable[[Scope], str]
    ) -> None:
        self._max_body = settings.HTTP_MAX_BODY
        self._worker = service.worker
        self._application = application
        self._route_of = route_of
        self._counts = Counts()
        self._operations = Operations(settings, VERSION, service.worker)
        self._operations.registry.register(self._counts)
        self._operations.more_stats["gateway"] = self._counts.stats

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request; what is no HTTP goes to the application as it is."""
        if scope["type"] != "http":
            await self._application(scope, receive, send)
        elif scope["path"] in self._operations.answers:
            await self._operate(scope, send)
        else:
            await self._exchange(scope, receive, send)

    async def _operate(self, scope: Scope, send: Send) -> None:
        if scope["method"] in ("GET", "HEAD"):
            answer = self._operations.answers[scope["path"]]
            await respond(send, *await answer(scope.get("query_string", b"").decode(errors="replace")))
        else:
            await respond(send, NOT_ALLOWED.status, JSON, NOT_ALLOWED.body, [(b"allow", b"GET, HEAD")])

    async def _exchange(self, scope: Scope, receive: Receive, send: Send) -> None:
        exchange = Exchange(scope)
        token = current_request.set(exchange)
        started = time.perf_counter()
        self._counts.in_flight += 1
        respond_to = self._responding(exchange, send)
        try:
            await self._answer(exchange, scope, receive, respond_to)
        except asyncio.CancelledError:
            if exchange.status or not self._worker.stopping:
                raise
            await _tell(respond_to, STOPPED)  # it has taken longer than the process has to stop
        except ClientLeft:
            pass
        except Exception as error:
            problem = problem_of(error)
            if not exchange.status:
                await _tell(respond_to, problem)
        finally:
            self._ended(exchange, self._route_of(scope), time.perf_counter() - started)
            current_request.reset(token)

    async def _answer(self, exchange: Exchange, scope: Scope, receive: Receive, send: Send) -> None:
        """The body is read first, so that one that is too large gets the same answer wherever it goes."""
        try:
            body = await read_body(exchange, receive, self._max_body)
        except BodyTooLarge:
            await _tell(send, BODY_TOO_LARGE)  # the server drops the rest as it comes
            return
        await self._application(scope, replaying(body, receive), send)

    def _responding(self, exchange: Exchange, send: Send) -> Send:
        """Sends, and gives every response what all have in common."""

        async def send_with_headers(message: Mapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                exchange.status = message["status"]
                headers = [*message.get("headers", ()), (b"x-correlation-id", exchange.correlation_id.encode())]
                if self._worker.stopping:  # the client's next request goes to an instance that stays
                    headers.append((b"connection", b"close"))
                message = {**message, "headers": headers}
            await send(message)

        return send_with_headers

    def _ended(self, exchange: Exchange, route: str, seconds: float) -> None:
        self._counts.in_flight -= 1
        exchange.status = exchange.status or LEFT
        self._counts.add(exchange, route, seconds)
        fields: dict[str, Any] = {"route": route or None, "status": exchange.status, "seconds": round(seconds, 6)}
        if exchange.error:
            fields["error"] = named(exchange.error)
        if exchange.error and not is_foreseen(exchange.error):
            logger.error("request failed", **fields, exc_info=exchange.error)
        elif exchange.status >= 500:
            logger.info("request answered", **fields)
        else:
            logger.debug("request answered", **fields)


async def _tell(send: Send, problem: Problem) -> None:
    await respond(send, problem.status, JSON, problem.body)


class BodyTooLarge(Exception):
    """A request's body is larger than it may be."""


class ClientLeft(Exception):
    """The client closed the connection before it had sent all of its request."""


async def read_body(exchange: Exchange, receive: Receive, limit: int) -> bytes:
    """The whole body of a request.

    Raises:
        BodyTooLarge: it has more than `limit` bytes, or says so.
        ClientLeft: there is no more of it.
    """
    announced = exchange.headers.get("content-length", "")
    if announced.isascii() and announced.isdecimal() and int(announced) > limit:
        raise BodyTooLarge
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientLeft
        part: bytes = message.get("body", b"")
        size += len(part)
        if size > limit:
            raise BodyTooLarge
        parts.append(part)
        if not message.get("more_body", False):
            return b"".join(parts)


def replaying(body: bytes, receive: Receive) -> Receive:
    """Receives a body that has been read before, and then what the server has to say."""
    unread: list[MutableMapping[str, Any]] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive_again() -> MutableMapping[str, Any]:
        return unread.pop() if unread else await receive()

    return receive_again
