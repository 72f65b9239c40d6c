"""One HTTP request and its outcome."""

from __future__ import annotations

import re
from uuid import uuid4

from src.domain.events import Incoming, current
from src.web.asgi import Scope

CORRELATION = ("x-correlation-id", "x-request-id")  # headers that may carry the client's own id, in this order
USABLE = re.compile(r"[!-~]{1,128}")  # the id is used in logs, NATS headers and the response


class Exchange(Incoming):
    """A request while it is answered.

    Attributes:
        method: in upper case.
        path: as the client sent it, without the query.
        route: the template of the path that answered, such as `/orders/{id}`; empty until then, or if none did.
        status: of the response; 0 before there is one.
        error: the exception that caused an error response.
        body_bytes: how much of its body has been read.
    """

    def __init__(self, scope: Scope) -> None:
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.route = ""
        self.status = 0
        self.error: BaseException | None = None
        self.body_bytes = 0
        self._headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        sent = (self._headers.get(header, "").strip() for header in CORRELATION)
        self._correlation_id = next(filter(USABLE.fullmatch, sent), "") or str(uuid4())

    @property
    def headers(self) -> dict[str, str]:
        """Return the headers, by their names in lower case."""
        return self._headers

    @property
    def correlation_id(self) -> str:
        """Return the client's id if it is valid, else one created by the gateway."""
        return self._correlation_id

    def log_fields(self) -> dict[str, object]:
        """Return method and path."""
        return {"method": self.method, "path": self.path}


def note(error: BaseException) -> None:
    """Keep the cause of an error response for the log."""
    if isinstance(exchange := current.get(), Exchange):
        exchange.error = error
