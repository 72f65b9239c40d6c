"""Steps one after the other: each is judged on its own, and what builds on a failed one is not begun."""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from natsgen.errors import NatsgenError
from natsgen.harness.errors import HarnessError, last_lines
from natsgen.harness.reaper import kill_guarded

LOG_LINES = 40
"""Lines of a log that a report shows: a traceback, and what led to it."""


class Verdict(StrEnum):
    """How a step ended."""

    PASSED = "passed"
    FAILED = "failed"
    LEFT_OUT = "left out"
    """Something that it needs is not on this machine."""
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
    """Raised when a step finds something wrong; the attributes are as `Result` has them."""

    def __init__(self, message: str, *, command: str = "", log: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.command = command
        self.log = log


class LeftOut(Exception):
    """Raised when a step cannot be done on this machine; the message says what is missing."""


class Interrupted(Exception):
    """Raised when the person does not want the run any more. No step has failed."""


class Stopping:
    """Tells all threads whether the run goes on. Giving it up kills what runs, so that every one hears of it."""

    def __init__(self) -> None:
        self._requested = threading.Event()

    def request(self) -> None:
        """End the run, and with it every command, server and service."""
        self._requested.set()
        kill_guarded()

    def check(self) -> None:
        """Raise `Interrupted` if the run is over."""
        if self._requested.is_set():
            raise Interrupted


@dataclass(frozen=True)
class Step:
    """One thing that is done with a sample.

    Attributes:
        name: of the step, which reports and options use.
        do: does it, and returns what it saw, for a person. Raises `CheckFailed` when something is wrong and `LeftOut`
            when it cannot be done here; any other exception is a failure as well.
        needs: names of the steps without which it makes no sense.
    """

    name: str
    do: Callable[[], str | None]
    needs: tuple[str, ...] = ()


class Listener(Protocol):
    """Is told what happens, from any thread."""

    def began(self, sample: str, step: str) -> None:
        """Hear that a step begins."""

    def ended(self, result: Result) -> None:
        """Hear that a step has ended, or is not begun."""


def leading_to(steps: Sequence[Step], names: Collection[str]) -> list[Step]:
    """Return those of the steps that have these names, and what they need, in their order."""
    wanted = set(names)
    for step in reversed(steps):  # what a step needs comes before it
        if step.name in wanted:
            wanted.update(step.needs)
    return [step for step in steps if step.name in wanted]


def run(sample: str, steps: Iterable[Step], listener: Listener, stopping: Stopping) -> list[Result]:
    """Do the steps of one sample.

    Returns:
        A result for each.

    Raises:
        Interrupted: the run is given up.
    """
    results: dict[str, Result] = {}
    for step in steps:
        stopping.check()
        needed = [results[name] for name in step.needs if name in results]
        missing = next((one for one in needed if one.verdict is not Verdict.PASSED), None)
        if missing is not None:
            result = _not_begun(sample, step, missing)
        else:
            listener.began(sample, step.name)
            result = _done(sample, step)
            stopping.check()  # what was ended from outside has not failed
        results[step.name] = result
        listener.ended(result)
    return list(results.values())


def _not_begun(sample: str, step: Step, missing: Result) -> Result:
    verdict = Verdict.LEFT_OUT if missing.verdict is Verdict.LEFT_OUT else Verdict.NOT_REACHED
    cause = f"{missing.step} failed" if missing.verdict is Verdict.FAILED else missing.message
    return Result(sample, step.name, verdict, 0.0, cause)


def _done(sample: str, step: Step) -> Result:
    began = time.monotonic()
    verdict, command, log = Verdict.FAILED, "", ""
    try:
        message = step.do() or ""
        verdict = Verdict.PASSED
    except LeftOut as reason:
        verdict, message = Verdict.LEFT_OUT, str(reason)
    except CheckFailed as failure:
        message, command, log = failure.message, failure.command, failure.log
    except (HarnessError, NatsgenError, OSError) as failure:
        message, _, log = str(failure).partition("\n")
    except Interrupted:
        raise
    except Exception as error:  # the service answered what no check expects: that is a finding, too
        message = f"unexpected {type(error).__name__}: {error}"
        log = "".join(traceback.format_exception(error))
    seconds = time.monotonic() - began
    return Result(sample, step.name, verdict, seconds, message, command, last_lines(log, LOG_LINES))
