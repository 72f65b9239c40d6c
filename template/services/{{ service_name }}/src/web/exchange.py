"""One HTTP request and what came of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from uuid import uuid4

from src.infrastructure.handling.context import Incoming, current_request
from src.web.asgi import Scope

CORRELATION = ("x-correlation-id", "x-request-id")  # headers that a client may send its own id in, the first first
USABLE = re.compile(r"[!-~]{1,128}")  # an id goes into logs, headers of NATS and the response


class Exchange(Incoming):
    """A request while it is answered.

    Attributes:
        method: in upper case.
        path: as the client sent it, without the query.
        status: of the response; 0 before there is one.
        error: why the response is an error, where something was raised.
    """

    __slots__ = ("_correlation_id", "_headers", "error", "method", "path", "status")

    def __init__(self, scope: Scope) -> None:
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.status = 0
        self.error: BaseException | None = None
        self._headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        self._correlation_id = next((given for given in map(self._usable, CORRELATION) if given), "") or str(uuid4())

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers, by their names in lower case."""
        return self._headers

    @property
    def correlation_id(self) -> str:
        """The client's, where it sent one that can be used, else one of the gateway's own."""
        return self._correlation_id

    def log_fields(self) -> dict[str, str]:
        """Method and path."""
        return {"method": self.method, "path": self.path}

    def _usable(self, header: str) -> str:
        given = self._headers.get(header, "").strip()
        return given if USABLE.fullmatch(given) else ""


def note(error: BaseException) -> None:
    """Keeps why the request of this task is answered with an error, for the log."""
    if isinstance(exchange := current_request.get(), Exchange):
        exchange.error = error
