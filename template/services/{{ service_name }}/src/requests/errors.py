"""The error that an action raises to reject a request, and the errors of calls."""

from __future__ import annotations

from typing import Any

from src.infrastructure import errors


class ActionError(Exception):
    """Raised by an action or a route to reject a request; the caller gets code, message and details.

    Args:
        code: an HTTP status such as `404`, or your own code.
        message: for people; the reply's header has it on one line.
        details: further JSON data.
    """

    def __init__(self, code: int | str, message: str, details: Any = None) -> None:
        super().__init__(message)
        self.code = str(code)
        self.message = message
        self.details = details


class CallError(Exception):
    """Raised when a call or a request has no result."""


class CallTimeout(CallError):
    """Raised when nobody answers in time. The action may have run."""


class NotConnected(CallTimeout, errors.NotConnected):
    """Raised when there is no connection to NATS in time. The action did not run."""


class NoResponders(CallError):
    """Raised when nobody is subscribed to the subject. The action did not run."""


class RemoteError(CallError):
    """Raised when the answer is an error.

    Attributes:
        code: generated services use HTTP's: 422 invalid request, 500 failed, 503 unavailable, 504 too slow.
        message: for people.
        details: further data, such as the invalid fields; None if there is none.
    """

    def __init__(self, code: str, message: str, details: Any = None) -> None:
        super().__init__(f"{code} {message}")
        self.code = code
        self.message = message
        self.details = details


class InvalidReply(CallError):
    """Raised when the reply does not have the requested type."""
