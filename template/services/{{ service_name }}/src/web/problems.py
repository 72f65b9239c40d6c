"""The error responses of a gateway: `{"error": {"code", "message", "details"}}`, as those of actions.

Details of internal errors are in the log only.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import nats.errors
from pydantic import ValidationError

from src.infrastructure.errors import NoStream, NotConnected, TooLarge
from src.requests.errors import ActionError, CallError, CallTimeout, InvalidReply, NoResponders, RemoteError
from src.requests.replies import error_reply, problems_of
from src.web.exchange import note


class Problem(NamedTuple):
    """An error response.

    Attributes:
        status: the response's status.
        message: for people.
        details: further JSON data.
        code: for clients; the status unless another service set its own.
    """

    status: int
    message: str
    details: Any = None
    code: str = ""

    @property
    def body(self) -> bytes:
        """Return the response's body, as JSON."""
        try:
            return error_reply(self.code or str(self.status), self.message, self.details)
        except ValueError:  # another service's text may not be valid Unicode
            return error_reply(str(self.status), INTERNAL.message)


INTERNAL = Problem(500, "internal error")
NOT_FOUND = Problem(404, "not found")
NOT_ALLOWED = Problem(405, "method not allowed")
BODY_TOO_LATE = Problem(408, "the body of the request did not arrive in time")
BODY_TOO_LARGE = Problem(413, "the body of the request is too large")
NOT_UNICODE = Problem(422, "the request contains text that is not Unicode")
TOO_MANY_BODIES = Problem(503, "too many requests are being read")
STOPPED = Problem(504, "the service stopped before it was done")

FIXED: tuple[tuple[type[Exception], Problem], ...] = (
    (NoResponders, Problem(503, "the service is not available")),
    (NotConnected, Problem(503, "not connected")),
    (CallTimeout, Problem(504, "no answer in time")),
    (InvalidReply, Problem(502, "the answer of another service is invalid")),
    (TooLarge, Problem(413, "the request is too large to pass on")),
    (CallError, Problem(503, "another service is not available")),
    (NoStream, Problem(503, "the request could not be stored")),
    (nats.errors.Error, Problem(503, "the request could not be stored")),
)
"""The first matching type decides."""


class InvalidRequest(Exception):
    """Raised when a request is invalid for its route.

    Args:
        error: the problems.
        where: `body` or `query`.
    """

    def __init__(self, error: ValidationError, where: str) -> None:
        super().__init__(f"the {where} is invalid")
        self.problems = [{**problem, "loc": [where, *problem["loc"]]} for problem in problems_of(error)]


EXPECTED: tuple[type[Exception], ...] = (ActionError, InvalidRequest, *(kind for kind, _ in FIXED))
"""The errors that a route may raise. Any other is an internal error."""


def problem_of(error: Exception) -> Problem:
    """Return the response to an exception, and keep the exception for the log."""
    if isinstance(error, ValueError) and "surrogates not allowed" in str(error):
        return NOT_UNICODE  # a client's text, which FastAPI accepts but JSON cannot represent
    note(error)
    if isinstance(error, InvalidRequest):
        return invalid(error.problems)
    if isinstance(error, ActionError | RemoteError):
        status = int(error.code) if error.code.isascii() and error.code.isdecimal() else 0
        return Problem(status if 400 <= status <= 599 else 502, error.message, error.details, error.code)
    return next((problem for kind, problem in FIXED if isinstance(error, kind)), INTERNAL)


def invalid(problems: list[dict[str, Any]]) -> Problem:
    """Return the response to an invalid request, with each place and reason."""
    return Problem(422, "the request is invalid", problems)
