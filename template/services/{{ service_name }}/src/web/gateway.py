"""Wraps the framework's application: adds correlation, limits, counts, and the service's endpoints."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, MutableMapping
from functools import partial
from typing import Any

from src.domain.events import current
from src.infrastructure.errors import describe
from src.infrastructure.http_server import endpoints
from src.infrastructure.worker import Worker
from src.utils.logging import logger
from src.web import problems
from src.web.asgi import JSON, Application, Receive, Scope, Send, path_of, respond
from src.web.exchange import Exchange
from src.web.metrics import IN_FLIGHT, count
from src.web.settings import settings

CLIENT_LEFT = 499  # the counted status if the client disconnects before there is a response
INTERNAL_PATHS = frozenset({"/metrics", "/stats", "/docs", "/redoc", "/openapi.json"})  # not for the public
# Bytes of all bodies that are being read or handled. One of any allowed size always fits.
MOST_BODIES = 32 * 1024 * 1024


class Gateway:
    """An ASGI application around another one.

    Args:
        worker: the worker, with the connection to NATS.
        application: the framework's application. It sets the `route` of a request's scope, which has a `path`.

    Attributes:
        internal_port: the port that answers `INTERNAL_PATHS`.
        lifespan: the task in which the server starts and stops the application; None until then.
    """

    def __init__(self, worker: Worker, application: Application) -> None:
        self.internal_port = settings.HTTP_INTERNAL_PORT
        self.lifespan: asyncio.Task[Any] | None = None
        self._worker = worker
        self._application = application
        self._body_bytes = 0
        self._endpoints = endpoints(worker)
        self._observed = worker.nats.observed(self._exchange, kind="http")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; the lifespan goes to the application unchanged."""
        if scope["type"] != "http":
            self.lifespan = asyncio.current_task()
            await self._application(scope, receive, send)
        elif scope["path"] not in self._endpoints or self._hides(scope):
            await self._observed(Exchange(scope), scope, receive, send)
        elif scope["method"] in ("GET", "HEAD"):
            await respond(send, *self._endpoints[scope["path"]]())
        else:
            problem = problems.NOT_ALLOWED
            await respond(send, problem.status, JSON, problem.body, [(b"allow", b"GET, HEAD")])

    def _hides(self, scope: Scope) -> bool:
        return scope["path"] in INTERNAL_PATHS and (scope["server"] or ("", None))[1] != self.internal_port

    async def _exchange(self, exchange: Exchange, scope: Scope, receive: Receive, send: Send) -> None:
        token = current.set(exchange)
        started = time.perf_counter()
        IN_FLIGHT.inc()
        send = partial(self._send, exchange, send)
        try:
            if problem := await self._answer(exchange, scope, receive, send):
                close = [(b"connection", b"close")] if problem is problems.BODY_TOO_LATE else None
                await respond(send, problem.status, JSON, problem.body, close)
        finally:
            self._body_bytes -= exchange.body_bytes
            IN_FLIGHT.dec()
            exchange.status = exchange.status or CLIENT_LEFT
            exchange.route, seconds = path_of(scope.get("route")), time.perf_counter() - started
            count(exchange, seconds)
            _log(exchange, seconds)
            current.reset(token)

    async def _answer(self, exchange: Exchange, scope: Scope, receive: Receive, send: Send) -> problems.Problem | None:
        """Answer with the application; return the problem to answer with if it did not."""
        try:
            if self._hides(scope):
                return problems.NOT_FOUND
            # read first, so that every route rejects a large body alike; the server drops the rest
            body = await self._read_body(exchange, receive)
            if not isinstance(body, bytes):
                return body
            await self._application(scope, replaying(body, receive), send)
        except asyncio.CancelledError:
            if exchange.status or not self._worker.stopping:
                raise
            return problems.STOPPED  # it has taken longer than the process has to stop
        except Exception as error:
            problem = problems.problem_of(error)
            return None if exchange.status else problem
        return None

    async def _read_body(self, exchange: Exchange, receive: Receive) -> bytes | problems.Problem | None:
        """Return the whole body of a request, or the problem with it; None if the client left."""
        body = bytearray()
        try:
            async with asyncio.timeout(settings.HTTP_READ_TIMEOUT):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        return None
                    part = message.get("body", b"")
                    body += part
                    exchange.body_bytes += len(part)
                    self._body_bytes += len(part)
                    if len(body) > settings.HTTP_MAX_BODY:
                        return problems.BODY_TOO_LARGE
                    if self._body_bytes > max(MOST_BODIES, settings.HTTP_MAX_BODY):
                        return problems.TOO_MANY_BODIES
                    if not message.get("more_body", False):
                        return bytes(body)
        except TimeoutError:
            return problems.BODY_TOO_LATE

    async def _send(self, exchange: Exchange, send: Send, message: Mapping[str, Any]) -> None:
        """Send a message of the application, with the headers of all responses."""
        if message["type"] == "http.response.start":
            exchange.status = message["status"]
            headers = [*message.get("headers", ()), (b"x-correlation-id", exchange.correlation_id.encode())]
            if self._worker.stopping:  # the client's next request goes to another instance
                headers.append((b"connection", b"close"))
            message = {**message, "headers": headers}
        await send(message)


def replaying(body: bytes, receive: Receive) -> Receive:
    """Return a `receive` for a body that has been read, and then for the server's later messages."""
    unread: list[MutableMapping[str, Any]] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive_again() -> MutableMapping[str, Any]:
        return unread.pop() if unread else await receive()

    return receive_again


def _log(exchange: Exchange, seconds: float) -> None:
    fields: dict[str, Any] = {"route": exchange.route or None, "status": exchange.status, "seconds": round(seconds, 6)}
    error = exchange.error
    if error:
        fields["error"] = describe(error)
    if error and not isinstance(error, problems.EXPECTED):
        logger.error("request failed", **fields, exc_info=error)
    else:
        (logger.info if exchange.status >= 500 else logger.debug)("request answered", **fields)
