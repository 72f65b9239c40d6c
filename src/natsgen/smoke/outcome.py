"""What becomes of a step, and how a step says so."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """How a step ended."""

    PASSED = "passed"
    FAILED = "failed"
    LEFT_OUT = "left out"
    """Something that it needs is not on this machine."""
    NOTHING_TO_DO = "nothing to do"
    """The sample has nothing that it is about."""
    NOT_REACHED = "not reached"
    """A step that it builds on failed."""


@dataclass(frozen=True)
class Result:
    """What became of one step of one sample.

    Attributes:
        sample: its name.
        step: its name.
        verdict: how it ended.
        seconds: how long it took.
        message: what it saw, where it passed; else why it did not.
        command: what a person types to see the failure again, where it is one command.
        log: the end of what was printed, where that helps.
    """

    sample: str
    step: str
    verdict: Verdict
    seconds: float
    message: str = ""
    command: str = ""
    log: str = ""


class CheckFailed(Exception):
    """A step found something wrong; the attributes are as `Result` has them."""

    def __init__(self, message: str, *, command: str = "", log: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.command = command
        self.log = log


class LeftOut(Exception):
    """A step cannot be done on this machine; the message says what is missing."""


class NothingToDo(Exception):
    """The sample has nothing that a step is about; the message says what."""
