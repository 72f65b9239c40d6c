"""The errors that natsgen reports to the user, each with its exit code."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

DONE = 0
FAILED = 1
WRONG_INPUT = 2
INTERRUPTED = 130


class NatsgenError(Exception):
    """Raised when a command fails. The message says what is wrong, where, and what to do."""

    exit_code: ClassVar[int] = FAILED


class InputError(NatsgenError):
    """Raised when an option, a name or a file that the user gave is invalid."""

    exit_code = WRONG_INPUT


class TemplateError(NatsgenError):
    """Raised when the template is missing, unreadable, or cannot be rendered."""


class UntrustedTemplateError(NatsgenError):
    """Raised when a repository names a template that the user has not accepted yet.

    Attributes:
        url: the template's URL or path.
        workspace: the folder that a relative path starts from.
    """

    def __init__(self, message: str, url: str, workspace: Path) -> None:
        super().__init__(message)
        self.url = url
        self.workspace = workspace


class ConflictError(NatsgenError):
    """Raised when natsgen would have to overwrite something that exists."""


class UnsafePathError(NatsgenError):
    """Raised when a path leads out of the workspace."""


class LockedError(NatsgenError):
    """Raised when another natsgen command is running in the workspace."""


class TransactionError(NatsgenError):
    """Raised when the workspace cannot be changed. The message describes the state that the workspace is in."""


class ServiceError(NatsgenError):
    """Raised when the answers or files of a service cannot be used."""


class GitError(NatsgenError):
    """Raised when git is not installed, or a git command fails."""


class NatsError(NatsgenError):
    """Raised when NATS cannot be reached, refuses a request, or lacks what a command needs."""


class LetterError(NatsgenError):
    """Raised when one dead letter cannot be read, sent or stored. Others are not affected."""


class GoneError(LetterError):
    """Raised when a dead letter does not exist, or no longer exists."""


class StoppedError(NatsgenError):
    """Raised when the user stopped a running command. The message says how far it got."""

    exit_code = INTERRUPTED
