"""What can go wrong in the harness: one root, and one type for each thing that a caller may want to tell apart."""

from __future__ import annotations

from collections.abc import Sequence


class HarnessError(Exception):
    """The root. Its message is for a person: what went wrong, where, and what to do."""


class WaitTimeout(HarnessError):
    """A condition did not come true within its limit."""


class ProcessDied(HarnessError):
    """A watched process ended while something was still expected of it."""


class ProgramMissing(HarnessError):
    """A program that is needed is not installed."""


class CommandFailed(HarnessError):
    """A command ended with another exit code than 0, or not within its limit.

    `exit_code` is None when the limit (seconds) passed first; `output` is all that the command printed.
    """

    def __init__(self, command: Sequence[str], exit_code: int | None, output: str, *, hint: str = "") -> None:
        self.command = tuple(command)
        self.exit_code = exit_code
        self.output = output
        how = "did not end within its limit" if exit_code is None else f"ended with exit code {exit_code}"
        tail = last_lines(output, 30) or "(no output)"
        super().__init__(f"{' '.join(command)}\n{how}. The end of its output:\n{tail}" + (f"\n{hint}" if hint else ""))


def last_lines(text: str, count: int) -> str:
    """Return the last `count` lines of `text`, without trailing white space."""
    return "\n".join(text.rstrip().splitlines()[-count:])
