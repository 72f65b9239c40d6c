"""The types of ASGI: https://asgi.readthedocs.io/en/latest/specs/www.html"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

Headers = list[tuple[bytes, bytes]]

JSON = "application/json"


def path_of(route: Any) -> str:
    """Return the template of a route's path, such as `/orders/{id}`; empty if there is none."""
    return getattr(route, "path", "")


async def respond(send: Send, status: int, content_type: str, body: bytes, more: Headers | None = None) -> None:
    """Send a whole response."""
    headers = [(b"content-type", content_type.encode()), (b"content-length", str(len(body)).encode()), *(more or [])]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
