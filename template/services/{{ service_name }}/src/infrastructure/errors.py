"""What handlers and actions raise to say what is to become of it, what calls raise, and what stops a start."""

from __future__ import annotations

from typing import Any


class Retry(Exception):
    """The handler asks for another attempt.

    Args:
        reason: why, for the log and, after the last attempt, the dead letter.
        after: seconds until the next attempt; without it the subscription's backoff decides.
    """

    def __init__(self, reason: str = "", *, after: float | None = None) -> None:
        super().__init__(reason)
        self.after = after


class Reject(Exception):
    """The handler will never accept this message: it becomes a dead letter at once, with the reason given."""


class ActionError(Exception):
    """The action refuses a request on purpose, and says so to its caller.

    Args:
        code: tells callers what it is, as HTTP's do: `404`, or a word of your own.
        message: for people; on one line in the reply's header.
        details: further data that JSON can hold.
    """

    def __init__(self, code: int | str, message: str, details: Any = None) -> None:
        super().__init__(message)
        self.code = str(code)
        self.message = message
        self.details = details


class CallError(Exception):
    """A call or a request that brought no result."""


class CallTimeout(CallError):
    """Nobody answered in time. Whether it was carried out is not known."""


class NotConnected(CallTimeout):
    """There was no connection to NATS in time, so it was not carried out."""


class NoResponders(CallError):
    """Nobody listens to the subject right now, so it was not carried out."""


class RemoteError(CallError):
    """The other side answered with an error.

    Attributes:
        code: what it is, as HTTP's codes for natsgen's own: 422 does not fit, 500 failed, 503 not now, 504 too slow.
        message: for people.
        details: further data, such as what did not fit; None where there are none.
    """

    def __init__(self, code: str, message: str, details: Any = None) -> None:
        super().__init__(f"{code} {message}")
        self.code = code
        self.message = message
        self.details = details


class InvalidReply(CallError):
    """The other side answered with something else than was asked for."""


class TooLarge(Exception):
    """A message is larger than the server takes."""


class ConfigurationError(Exception):
    """The worker cannot run as it is configured; the message says what, where and what to do."""


def named(error: BaseException | None) -> str:
    """An error on one line of a log: its type and what it says."""
    return f"{type(error).__name__}: {error}"
