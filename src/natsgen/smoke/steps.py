"""Running steps in order: each gets a verdict, and a step that needs a failed one does not start."""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from natsgen.errors import NatsgenError
from natsgen.harness.errors import HarnessError, last_lines
from natsgen.harness.reaper import kill_guarded

SLOW_SECONDS = 3.0
LOG_LINES = 40
"""Lines of a log that a report shows: a traceback and the lines before it."""


class Verdict(StrEnum):
    """How a step ended."""

    PASSED = "passed"
    FAILED = "failed"
    LEFT_OUT = "left out"
    """This machine lacks something that the step needs."""
    NOT_REACHED = "not reached"
    """A step that it needs failed."""


@dataclass(frozen=True)
class Result:
    """The result of one step of one sample.

    Attributes:
        sample: the sample's name.
        step: the step's name.
        verdict: how it ended.
        seconds: the duration.
        message: what it found if it passed; otherwise why it did not.
        command: the shell command that reproduces the failure; "" if there is none.
        log: the end of the output; "" if it does not help.
    """

    sample: str
    step: str
    verdict: Verdict
    seconds: float
    message: str = ""
    command: str = ""
    log: str = ""


class CheckFailed(Exception):
    """Raised when a step fails; the attributes are those of `Result`."""

    def __init__(self, message: str, *, command: str = "", log: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.command = command
        self.log = log


class LeftOut(Exception):
    """Raised when a step cannot run on this machine; the message says what is missing."""


class Interrupted(Exception):
    """Raised when the user interrupts the run. No step has failed."""


class Stopping:
    """Tells all threads to stop. A request kills the running processes, so that no thread waits for them."""

    def __init__(self) -> None:
        self._requested = threading.Event()

    def request(self) -> None:
        """Stop the run, with every command, server and service."""
        self._requested.set()
        kill_guarded()

    def check(self) -> None:
        """Raise `Interrupted` if the run was stopped."""
        if self._requested.is_set():
            raise Interrupted


@dataclass(frozen=True)
class Step:
    """One check of a sample, or one action on it.

    Attributes:
        name: shown in reports and accepted by `--step`.
        do: runs it, and returns what it found, as text. Raises `CheckFailed` if the step fails and `LeftOut` if it
            cannot run on this machine; any other exception is a failure too.
        needs: names of the steps that must pass first.
    """

    name: str
    do: Callable[[], str | None]
    needs: tuple[str, ...] = ()


def leading_to(steps: Sequence[Step], names: Collection[str]) -> list[Step]:
    """Return the steps with these names and those that they need, in their order."""
    wanted = set(names)
    for step in reversed(steps):  # a step comes after those that it needs
        if step.name in wanted:
            wanted.update(step.needs)
    return [step for step in steps if step.name in wanted]


def run(sample: str, steps: Iterable[Step], tell: Callable[[str], None], stopping: Stopping) -> list[Result]:
    """Run the steps of one sample.

    Args:
        sample: the sample's name.
        steps: its steps, in order.
        tell: receives a line about each step that fails or is slow.
        stopping: tells whether the run was stopped.

    Returns:
        A result for each step.

    Raises:
        Interrupted: the user interrupted the run.
    """
    results: dict[str, Result] = {}
    for step in steps:
        stopping.check()
        needed = [results[name] for name in step.needs if name in results]
        missing = next((one for one in needed if one.verdict is not Verdict.PASSED), None)
        if missing is not None:
            result = _not_started(sample, step, missing)
        else:
            result = _run_step(sample, step)
            stopping.check()  # a step that was killed has not failed
        results[step.name] = result
        if line := progress(result):
            tell(line)
    return list(results.values())


def progress(result: Result) -> str:
    """Return the line about a step that failed or took long, to show progress; "" for any other."""
    if result.verdict is Verdict.FAILED:
        return f"{result.sample}: {result.step} FAILED: {result.message}"
    is_slow = result.verdict is Verdict.PASSED and result.seconds >= SLOW_SECONDS
    return f"{result.sample}: {result.step} passed ({result.seconds:.0f} s)" if is_slow else ""


def _not_started(sample: str, step: Step, missing: Result) -> Result:
    verdict = Verdict.LEFT_OUT if missing.verdict is Verdict.LEFT_OUT else Verdict.NOT_REACHED
    cause = f"{missing.step} failed" if missing.verdict is Verdict.FAILED else missing.message
    return Result(sample, step.name, verdict, 0.0, cause)


def _run_step(sample: str, step: Step) -> Result:
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
    except Exception as error:  # an answer that no check expects is a failure too
        message = f"unexpected {type(error).__name__}: {error}"
        log = "".join(traceback.format_exception(error))
    seconds = time.monotonic() - began
    return Result(sample, step.name, verdict, seconds, message, command, last_lines(log, LOG_LINES))
