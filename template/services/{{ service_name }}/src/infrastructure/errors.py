"""What a handler raises to say what becomes of its message, and what stops a start."""

from __future__ import annotations


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


class TooLarge(Exception):
    """A message is larger than the server takes."""


class ConfigurationError(Exception):
    """The worker cannot run as it is configured; the message says what, where and what to do."""


def named(error: BaseException | None) -> str:
    """An error on one line of a log: its type and what it says."""
    return f"{type(error).__name__}: {error}"
