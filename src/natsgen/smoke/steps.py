"""Steps one after the other: each is judged on its own, and what builds on a failed one is not begun.

Giving up in mid-run ends what runs, so that every thread hears of it.
"""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from natsgen.errors import NatsgenError
from natsgen.harness import commands
from natsgen.harness.errors import CommandFailed, HarnessError, last_lines


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


class Interrupted(Exception):
    """The person does not want it any more. No step has failed."""


class Stopping:
    """Whether the run goes on."""

    def __init__(self) -> None:
        self._requested = threading.Event()
        self._lock = threading.Lock()
        self._ends: list[Callable[[], object]] = []

    def request(self) -> None:
        """Ends what runs now, so that all threads come to their end soon."""
        self._requested.set()
        commands.kill_running()
        with self._lock:
            ends = list(self._ends)
        for end in ends:
            with suppress(HarnessError):
                end()

    def check(self) -> None:
        """Raises `Interrupted` if the run is over."""
        if self._requested.is_set():
            raise Interrupted

    @contextmanager
    def ending(self, end: Callable[[], object]) -> Iterator[None]:
        """Has `end` called, from another thread, if the run is given up before the `with` block is left."""
        self.check()
        with self._lock:
            self._ends.append(end)
        try:
            yield
        finally:
            with self._lock:
                self._ends.remove(end)


LOG_LINES = 40
"""How much of a log a report shows: a traceback, and what led to it."""


@dataclass(frozen=True)
class Step:
    """One thing that is done with a sample.

    Attributes:
        name: of the step, which reports and options use.
        do: does it, and returns what it saw, for a person. Raises `CheckFailed` when something is wrong, `LeftOut`
            when it cannot be done here, `NothingToDo` when it is not about this sample; any other exception is a
            failure as well.
        needs: names of the steps without which it makes no sense.
    """

    name: str
    do: Callable[[], str | None]
    needs: tuple[str, ...] = ()


class Listener(Protocol):
    """Is told what happens, from any thread."""

    def began(self, sample: str, step: str) -> None:
        """A step begins."""

    def ended(self, result: Result) -> None:
        """A step has ended, or is not begun."""


def leading_to(steps: Sequence[Step], names: Collection[str]) -> list[Step]:
    """Return those of the steps that have these names, and what they need, in their order."""
    wanted = set(names)
    for step in reversed(steps):  # what a step needs comes before it
        if step.name in wanted:
            wanted.update(step.needs)
    return [step for step in steps if step.name in wanted]


def run(sample: str, steps: Iterable[Step], listener: Listener, stopping: Stopping) -> list[Result]:
    """Does the steps of one sample.

    Returns:
        A result for each.

    Raises:
        Interrupted: the run is given up.
    """
    results: dict[str, Result] = {}
    for step in steps:
        stopping.check()
        missing = next((results[name] for name in step.needs if not _can_build_on(results.get(name))), None)
        if missing is not None:
            result = _not_begun(sample, step, missing)
        else:
            listener.began(sample, step.name)
            result = _result(sample, step)
            stopping.check()  # what was ended from outside has not failed
        results[step.name] = result
        listener.ended(result)
    return list(results.values())


def _can_build_on(result: Result | None) -> bool:
    return result is None or result.verdict in (Verdict.PASSED, Verdict.NOTHING_TO_DO)


def _not_begun(sample: str, step: Step, missing: Result) -> Result:
    if missing.verdict is Verdict.LEFT_OUT:
        return Result(sample, step.name, Verdict.LEFT_OUT, 0.0, missing.message)
    cause = missing.message if missing.verdict is Verdict.NOT_REACHED else f"{missing.step} failed"
    return Result(sample, step.name, Verdict.NOT_REACHED, 0.0, cause)


def _result(sample: str, step: Step) -> Result:
    began = time.monotonic()

    def ended(verdict: Verdict, message: str, command: str = "", log: str = "") -> Result:
        return Result(
            sample, step.name, verdict, time.monotonic() - began, message, command, last_lines(log, LOG_LINES)
        )

    try:
        return ended(Verdict.PASSED, step.do() or "")
    except LeftOut as reason:
        return ended(Verdict.LEFT_OUT, str(reason))
    except NothingToDo as reason:
        return ended(Verdict.NOTHING_TO_DO, str(reason))
    except CheckFailed as failure:
        return ended(Verdict.FAILED, failure.message, failure.command, failure.log)
    except CommandFailed as failure:
        how = "did not end in time" if failure.exit_code is None else f"ended with exit code {failure.exit_code}"
        return ended(Verdict.FAILED, f"{failure.command[0]} {how}", " ".join(failure.command), failure.output)
    except (HarnessError, NatsgenError, OSError) as failure:
        message, _, log = str(failure).partition("\n")
        return ended(Verdict.FAILED, message, log=log)
    except Interrupted:
        raise
    except Exception as error:  # the service answered what no check expects: that is a finding, too
        trace = "".join(traceback.format_exception(error))
        return ended(Verdict.FAILED, f"unexpected {type(error).__name__}: {error}", log=trace)
