"""Everything that natsgen gives up with: a message for a person, and the exit code that goes with it."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

DONE = 0
FAILED = 1
WRONG_INPUT = 2
INTERRUPTED = 130


class NatsgenError(Exception):
    """It could not be done. The message says what is wrong, where, and what to do."""

    exit_code: ClassVar[int] = FAILED


class InputError(NatsgenError):
    """An option, a name or a file that was given is not one that natsgen takes."""

    exit_code = WRONG_INPUT


class TemplateError(NatsgenError):
    """The template is missing, unreadable, or could not be rendered."""


class UntrustedTemplateError(NatsgenError):
    """A repository names a template that nobody has accepted yet.

    Attributes:
        url: as it is named.
        workspace: what a relative path is relative to.
    """

    def __init__(self, message: str, url: str, workspace: Path) -> None:
        super().__init__(message)
        self.url = url
        self.workspace = workspace


class ConflictError(NatsgenError):
    """Something that natsgen would have to overwrite is there already."""


class UnsafePathError(NatsgenError):
    """A path leads out of the workspace."""


class LockedError(NatsgenError):
    """Another natsgen command is at work in the workspace."""


class TransactionError(NatsgenError):
    """The workspace could not be changed; what it says about the workspace's state is true."""


class ServiceError(NatsgenError):
    """A service of the workspace is not what natsgen made: its answers or its files cannot be used."""


class GitError(NatsgenError):
    """Git is missing, or refuses."""


class NatsError(NatsgenError):
    """NATS cannot be reached, refuses, or lacks what a command needs."""


class LetterError(NatsgenError):
    """One dead letter cannot be read, sent or kept; the others can."""


class GoneError(LetterError):
    """There is no such dead letter, or no longer."""


class StoppedError(NatsgenError):
    """The person stopped a command that had begun; the message says how far it came."""

    exit_code = INTERRUPTED
