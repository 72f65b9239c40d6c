"""The errors of the toolkit, their translation from nats-py's errors, and the check of names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import nats.errors
import nats.js.errors

from src.infrastructure.errors import NotConnected, describe
from src.infrastructure.errors import TooLarge as TooLarge
from src.infrastructure.provisioning import TRANSIENT

NAME = re.compile(r"[A-Za-z0-9_-]{1,128}")  # of a bucket or a stream: it becomes part of subjects and file names

# https://github.com/nats-io/nats-server/blob/main/server/errors.json
NOT_STORED = 10077  # such as beyond a limit of the stream


class ToolkitError(Exception):
    """The base class of the toolkit's errors."""


class Unavailable(ToolkitError):
    """Raised when the server does not answer. Whether it did what it was asked to do is unknown."""


class Refused(ToolkitError):
    """Raised when the server refuses."""


class Missing(ToolkitError):
    """Raised when a bucket, store, stream or consumer does not exist."""


class KeyMissing(Missing):
    """Raised when a bucket has no such key, or no longer."""


class ObjectMissing(Missing):
    """Raised when a store has no such object, or no longer."""


class WrongRevision(ToolkitError):
    """Raised when a key is at another revision than expected: somebody else changed it first."""


class KeyExists(WrongRevision):
    """Raised when a key that was to be created has a value."""


class InvalidValue(ToolkitError):
    """Raised when a stored value does not fit the model that it is read as."""


class InvalidName(ToolkitError, ValueError):
    """Raised when a name contains characters that are not allowed, or is too long."""


class Damaged(ToolkitError):
    """Raised when an object is incomplete, or its digest differs from the one that was stored."""


def checked_name(kind: str, name: str) -> str:
    """Return the name unchanged.

    Raises:
        InvalidName: the server accepts no such name.
    """
    if not NAME.fullmatch(name):
        raise InvalidName(f"{kind} {name[:80]!r}: a name takes 1 to 128 letters, digits, _ and -")
    return name


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Raise nats-py's errors as the toolkit's.

    Args:
        what: what the block does, for the message.
    """
    try:
        yield
    except nats.js.errors.APIError as error:
        said = getattr(error, "description", None) or "not found"
        away = isinstance(error, nats.js.errors.ServiceUnavailableError) and error.err_code != NOT_STORED
        if away or error.err_code in TRANSIENT:
            raise Unavailable(f"{what}: JetStream is not available: {said}") from error
        if isinstance(error, nats.js.errors.NotFoundError):
            raise Missing(f"{what}: {said}") from error
        raise Refused(f"{what}: {said}") from error
    except (nats.js.errors.NoStreamResponseError, nats.errors.NoRespondersError) as error:
        raise Missing(f"{what}: no stream answers") from error
    except nats.js.errors.Error as error:
        raise Refused(f"{what}: {describe(error)}") from error
    except (nats.errors.Error, NotConnected, TimeoutError, ConnectionError) as error:
        raise Unavailable(f"{what}: {describe(error)}") from error
