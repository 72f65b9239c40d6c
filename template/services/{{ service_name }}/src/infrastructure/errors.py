"""The errors that handlers raise to decide about their message, and those that the worker raises."""

from __future__ import annotations

import asyncio

from src.config import redacted


class Retry(Exception):
    """Raised by a handler to have the message delivered again.

    Args:
        reason: for the log, and for the dead letter after the last attempt.
        after: seconds until the next attempt; by default the subscription's backoff decides.
    """

    def __init__(self, reason: str = "", *, after: float | None = None) -> None:
        super().__init__(reason)
        self.after = after


class Reject(Exception):
    """Raised by a handler that will never accept the message: it becomes a dead letter at once."""


class NoStream(Reject):
    """Raised when no stream stores what is published. Another attempt would not change that."""


class TooLarge(Exception):
    """Raised when a message is larger than the server accepts."""


class NotConnected(Exception):
    """Raised when there is no connection to NATS in time, so that nothing was sent."""


class ConfigurationError(Exception):
    """Raised when the worker cannot run as configured. The message says what is wrong, where, and what to do."""


def describe(error: BaseException | None) -> str:
    """Return the error's type and text, without secrets, for one log field."""
    # JSON does not allow lone surrogates
    return redacted(f"{type(error).__name__}: {error}").encode(errors="replace").decode()


def is_cancelled() -> bool:
    """Return whether the current task was cancelled, and not only something that it awaits."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
