"""The errors that an action raises to refuse a request, and those that a call raises."""

from __future__ import annotations

from typing import Any

from src.infrastructure import errors


class ActionError(Exception):
    """Raised by an action or a route to refuse a request; the caller gets code, message and details.

    Args:
        code: such as `404`, as in HTTP, or a word of your own.
        message: for people; on one line in the reply's header.
        details: further data that JSON can hold.
    """

    def __init__(self, code: int | str, message: str, details: Any = None) -> None:
        super().__init__(message)
        self.code = str(code)
        self.message = message
        self.details = details


class CallError(Exception):
    """Raised when a call or a request brings no result."""


class CallTimeout(CallError):
    """Raised when nobody answers in time. The action may have been carried out."""


class NotConnected(CallTimeout, errors.NotConnected):
    """Raised when there is no connection to NATS in time. The action was not carried out."""


class NoResponders(CallError):
    """Raised when nobody listens to the subject right now. The action was not carried out."""


class RemoteError(CallError):
    """Raised when the other side answers with an error.

    Attributes:
        code: as in HTTP for generated services: 422 invalid request, 500 failed, 503 unavailable, 504 too slow.
        message: for people.
        details: further data, such as what is invalid; None if there are none.
    """

    def __init__(self, code: str, message: str, details: Any = None) -> None:
        super().__init__(f"{code} {message}")
        self.code = code
        self.message = message
        self.details = details


class InvalidReply(CallError):
    """Raised when the reply does not have the form that was asked for."""
