"""The page's server, on the loopback interface: public files, and an API that requires the token."""

from __future__ import annotations

import asyncio
import json
import secrets
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import nullcontext, suppress
from functools import partial
from inspect import isawaitable
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from natsgen.dev import letters
from natsgen.dev.board import Board
from natsgen.dev.readable import readable
from natsgen.errors import InputError, NatsgenError
from natsgen.harness.ports import LOOPBACK

PORT = 8484
CHANGES = ("replay", "purge")  # of dead letters
TICK = 0.5  # seconds between two batches of changes
BODY = 2 * 1024 * 1024  # bytes of a request
FILES = Path(__file__).with_name("static")
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class Guard:
    """Accept only requests of the page itself, by `Host`, `Origin`, and for `/api/` the token.

    Other pages in the same browser reach 127.0.0.1 too, under any name that resolves to it.
    """

    def __init__(self, app: ASGIApp, port: int, token: str) -> None:
        self._app = app
        self._hosts = {f"{name}:{port}" for name in (LOOPBACK, "localhost")}
        self._token = f"Bearer {token}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or reject it."""
        if scope["type"] != "http":
            return
        headers = Headers(scope=scope)
        host, origin = headers.get("host", ""), headers.get("origin")
        refused = ""
        if host not in self._hosts:
            refused = "invalid Host header"
        elif origin is not None and origin != f"http://{host}":
            refused = "invalid Origin header"
        elif scope["path"].startswith("/api/") and not secrets.compare_digest(
            headers.get("authorization", "").encode(), self._token
        ):
            refused = "the token is missing or wrong: open the address that natsgen dev printed"
        if refused:
            await PlainTextResponse(refused, 403, HEADERS)(scope, receive, send)
        else:
            await self._app(scope, receive, send)


class Server(uvicorn.Server):
    """Uvicorn inside `natsgen dev`, which handles signals itself."""

    def capture_signals(self) -> Any:
        """Do not handle signals."""
        return nullcontext()


class Page:
    """The page's server.

    Args:
        board: what it shows.
        port: where it listens; None for the usual port, or any that is free.

    Raises:
        InputError: the port is taken.
    """

    def __init__(self, board: Board, port: int | None) -> None:
        self._board = board
        self._stopping = asyncio.Event()
        self._socket = _listen(port)
        self.port = self._socket.getsockname()[1]
        self.token = secrets.token_urlsafe(24)
        app = Guard(
            Starlette(routes=self._routes(), exception_handlers={NatsgenError: _refused}), self.port, self.token
        )
        config = uvicorn.Config(app, log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=1)
        self._server = Server(config)

    @property
    def url(self) -> str:
        """Return its address, with the token in the fragment, which no server receives."""
        return f"http://{LOOPBACK}:{self.port}/#token={self.token}"

    async def run(self) -> None:
        """Serve until `stop`."""
        await self._server.serve([self._socket])

    def stop(self) -> None:
        """Stop serving."""
        self._stopping.set()
        self._server.should_exit = True

    def _routes(self) -> list[Route]:
        board = self._board
        return [
            Route("/", _file("index.html")),
            *(Route(f"/{name}", _file(name)) for name in ("page.css", "page.js")),
            Route("/api/live", self._live),
            Route("/api/messages/{number:int}", _json(lambda one: board.message(one.path_params["number"]))),
            Route("/api/chain", _json(lambda one: board.chain(one.query_params.get("id", "")))),
            Route("/api/targets", lambda _: JSONResponse(board.targets(), headers=HEADERS)),
            Route("/api/letters", _json(lambda _: letters.listed(board.connection()))),
            Route("/api/letters/{number:int}", _json(self._letter)),
            Route("/api/send", _json(self._send), methods=["POST"]),
            *(Route(f"/api/{what}", _json(partial(self._change, what)), methods=["POST"]) for what in CHANGES),
        ]

    async def _live(self, request: Request) -> Response:
        events = self._events(request.query_params.get("filter", "")[:200])
        return StreamingResponse(events, media_type="text/event-stream", headers=HEADERS)

    async def _events(self, text: str) -> AsyncIterator[str]:
        """Yield changes in batches, so that the browser draws twice a second at any rate."""
        version = 0
        while not self._stopping.is_set():
            rows, version = self._board.messages(text, version)
            new = readable({"state": self._board.snapshot(), "messages": rows})
            yield f"data: {json.dumps(new)}\n\n"
            try:
                await asyncio.wait_for(self._stopping.wait(), TICK)
            except TimeoutError:
                continue

    async def _send(self, request: Request) -> dict[str, Any]:
        body = await _body(request)
        fields = [str(body.get(name, "")) for name in ("service", "kind", "name", "subject", "data")]
        return await self._board.send(*fields)

    async def _letter(self, request: Request) -> dict[str, Any]:
        return await letters.shown(self._board.connection(), request.path_params["number"])

    async def _change(self, what: str, request: Request) -> dict[str, Any]:
        numbers = (await _body(request)).get("letters")
        if not isinstance(numbers, list) or not numbers or not all(type(one) is int for one in numbers):
            raise InputError("choose dead letters")
        return await letters.change(self._board.connection(), what, numbers)


def _listen(port: int | None) -> socket.socket:
    """Return a socket that listens on the port; on the usual port, or any that is free, for None."""
    for candidate in (port,) if port else (PORT, 0):
        with suppress(OSError):
            return socket.create_server((LOOPBACK, candidate))
    raise InputError(f"--port: {port} is taken")


def _json(ask: Callable[[Request], Any]) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        found = ask(request)
        return JSONResponse(readable(await found if isawaitable(found) else found), headers=HEADERS)

    return answer


async def _body(request: Request) -> dict[str, Any]:
    if request.headers.get("content-type") != "application/json":
        raise InputError("the request is not valid JSON")  # a form of another page cannot send this content type
    content = b""
    async for chunk in request.stream():
        content += chunk
        if len(content) > BODY:
            raise InputError(f"the request is larger than {BODY} bytes")
    try:
        body = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise InputError("the request is not valid JSON") from error
    if not isinstance(body, dict):
        raise InputError("the request is not a JSON object")
    return body


async def _refused(_: Request, error: Exception) -> Response:
    return JSONResponse({"error": str(error)}, 400, HEADERS)


def _file(name: str) -> Callable[[Request], Response]:
    return lambda _: FileResponse(FILES / name, headers=HEADERS)
