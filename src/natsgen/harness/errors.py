"""The harness's errors: one root, and one type for each error that a caller may handle differently."""

from __future__ import annotations

from collections.abc import Sequence


class HarnessError(Exception):
    """The root. Its message says what went wrong, where, and what to do."""


class WaitTimeout(HarnessError):
    """Raised when a condition does not become true within its limit."""


class ProcessDied(HarnessError):
    """Raised when a watched process ended too early."""


class ProgramMissing(HarnessError):
    """Raised when a required program is not installed."""


class CommandFailed(HarnessError):
    """Raised when a command's exit code is not 0, or it does not end within its limit.

    `exit_code` is None if the limit passed first; `output` is everything that the command printed.
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
