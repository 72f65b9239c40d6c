"""What the toolkit raises, and how nats-py's errors become it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import nats.errors
import nats.js.errors

from src.infrastructure.connection.jetstream_api import PASSING
from src.infrastructure.errors import TooLarge, named

__all__ = [
    "Damaged",
    "InvalidName",
    "InvalidValue",
    "KeyExists",
    "KeyMissing",
    "Missing",
    "ObjectMissing",
    "Refused",
    "TooLarge",
    "ToolkitError",
    "Unavailable",
    "WrongRevision",
    "translated",
]


NOT_STORED = (
    10077  # such as beyond a stream's limit; https://github.com/nats-io/nats-server/blob/main/server/errors.json
)


class ToolkitError(Exception):
    """Something could not be done; the message says what."""


class Unavailable(ToolkitError):
    """The server does not answer right now. Whether it did what it was asked is not known."""


class Refused(ToolkitError):
    """The server answered that it will not."""


class Missing(ToolkitError):
    """A bucket, store, stream or consumer is not there."""


class KeyMissing(Missing):
    """A bucket has no such key, or no longer."""


class ObjectMissing(Missing):
    """A store has no such object, or no longer."""


class WrongRevision(ToolkitError):
    """A key is not at the revision that it was to be replaced at: somebody else was faster."""


class KeyExists(WrongRevision):
    """A key that was to be new has a value."""


class InvalidValue(ToolkitError):
    """What is stored does not fit the model that it is read as."""


class InvalidName(ToolkitError, ValueError):
    """Nothing can have this name."""


class Damaged(ToolkitError):
    """What came is not what was stored: its digest is another."""


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Raises nats-py's errors as the toolkit's.

    Args:
        what: was being done, for the message.
    """
    try:
        yield
    except nats.js.errors.APIError as error:
        away = isinstance(error, nats.js.errors.ServiceUnavailableError) and error.err_code != NOT_STORED
        if away or error.err_code in PASSING:
            raise Unavailable(f"{what}: JetStream is not available: {_said(error)}") from error
        if isinstance(error, nats.js.errors.NotFoundError):
            raise Missing(f"{what}: {_said(error)}") from error
        raise Refused(f"{what}: {_said(error)}") from error
    except (nats.js.errors.NoStreamResponseError, nats.errors.NoRespondersError) as error:
        raise Missing(f"{what}: no stream answers") from error
    except nats.js.errors.Error as error:
        raise Refused(f"{what}: {named(error)}") from error
    except (nats.errors.Error, TimeoutError, ConnectionError) as error:
        raise Unavailable(f"{what}: {named(error)}") from error


def _said(error: nats.js.errors.APIError) -> str:
    return getattr(error, "description", None) or "not found"
