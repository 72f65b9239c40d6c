"""What a client is told where something went wrong, as `{"error": {"code", "message", "details"}}`.

It is the form that actions answer in, too. Internals are in the log, and nowhere else.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import nats.errors
from pydantic import ValidationError

from src.infrastructure.errors import (
    ActionError,
    CallError,
    CallTimeout,
    InvalidReply,
    NoResponders,
    NotConnected,
    RemoteError,
    TooLarge,
)
from src.requests.replies import error_reply, what_does_not_fit
from src.web.exchange import note


class Problem(NamedTuple):
    """An answer that is an error.

    Attributes:
        status: of the response.
        message: for people.
        details: further data that JSON can hold.
        code: tells clients what it is; the status unless another service said something else.
    """

    status: int
    message: str
    details: Any = None
    code: str = ""

    @property
    def body(self) -> bytes:
        """The response's body, which is JSON."""
        try:
            return error_reply(self.code or str(self.status), self.message, self.details)
        except ValueError:  # what another service says may be no JSON
            return error_reply(str(self.status), INTERNAL.message)


INTERNAL = Problem(500, "internal error")
NOT_FOUND = Problem(404, "there is nothing here")
NOT_ALLOWED = Problem(405, "this method is not answered here")
BODY_TOO_LARGE = Problem(413, "the body of the request is too large")
STOPPED = Problem(504, "the service stopped before it was done")

FIXED: tuple[tuple[type[Exception], Problem], ...] = (
    (NoResponders, Problem(503, "what would answer this is not there at the moment")),
    (NotConnected, Problem(503, "not connected at the moment")),
    (CallTimeout, Problem(504, "no answer in time")),
    (InvalidReply, Problem(502, "the answer of another service was not understood")),
    (TooLarge, Problem(413, "the request is too large to be passed on")),
    (CallError, Problem(503, "another service cannot be asked at the moment")),
    (nats.errors.Error, Problem(503, "it could not be stored at the moment")),
)
"""By type, the first that fits counting."""


class InvalidRequest(Exception):
    """A request does not fit what its route takes.

    Args:
        error: what was found.
        where: `body` or `query`.
    """

    def __init__(self, error: ValidationError, where: str) -> None:
        super().__init__(f"the {where} does not fit")
        self.problems = [{**problem, "loc": [where, *problem["loc"]]} for problem in what_does_not_fit(error)]


FORESEEN: tuple[type[Exception], ...] = (ActionError, InvalidRequest, *(kind for kind, _ in FIXED))
"""What is told as it is. Anything else that is raised is an internal error."""


def is_foreseen(error: BaseException) -> bool:
    """Whether a route may well raise it; else it is the gateway's own fault."""
    return isinstance(error, FORESEEN)


def problem_of(error: Exception) -> Problem:
    """What the client is told of something that was raised; it is noted for the log."""
    note(error)
    if isinstance(error, InvalidRequest):
        return does_not_fit(error.problems)
    if isinstance(error, ActionError | RemoteError):
        status = int(error.code) if error.code.isascii() and error.code.isdecimal() else 0
        return Problem(status if 400 <= status <= 599 else 502, error.message, error.details, error.code)
    return next((problem for kind, problem in FIXED if isinstance(error, kind)), INTERNAL)


def does_not_fit(problems: list[dict[str, Any]]) -> Problem:
    """What the client is told of a request that does not fit: each place, and why."""
    return Problem(422, "the request does not fit", problems)
