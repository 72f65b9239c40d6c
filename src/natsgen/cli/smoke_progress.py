"""Reports the progress of `natsgen smoke`, in lines on standard error."""

from __future__ import annotations

import threading

from natsgen.cli import output
from natsgen.smoke.steps import Result, Verdict

SLOW = 3.0
"""Seconds: steps that take longer are reported, to show progress."""


class Lines:
    """Prints a line for each sample that starts, and for each step that fails or is slow."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._begun: set[str] = set()

    def began(self, sample: str, step: str) -> None:
        with self._lock:
            if sample in self._begun:
                return
            self._begun.add(sample)
        output.note(f"{sample}: started")

    def ended(self, result: Result) -> None:
        if result.verdict is Verdict.FAILED:
            output.note(output.printable(f"{result.sample}: {result.step} FAILED: {result.message}"))
        elif result.verdict is Verdict.PASSED and result.seconds >= SLOW:
            output.note(f"{result.sample}: {result.step} passed ({result.seconds:.0f} s)")
