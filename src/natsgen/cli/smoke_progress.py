"""How far `natsgen smoke` is: a table that is drawn anew on a terminal, plain lines elsewhere; on standard error."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from natsgen.cli import output
from natsgen.smoke.matrix import DEFAULT, GIVEN, SHAPE, SHORT, Sample
from natsgen.smoke.steps import Listener, Result, Verdict

if TYPE_CHECKING:
    from rich.table import Table

FRAMES_A_SECOND = 4
SLOW = 3.0
"""Seconds: who reads lines is told of steps that take this long, to see that it goes on."""


@contextmanager
def progress(samples: Sequence[Sample]) -> Iterator[Listener]:
    """Shows what happens until the end of the `with` block."""
    if not output.can_animate():
        yield Lines()
        return
    from rich.console import Console
    from rich.live import Live

    rows = Rows(samples)
    with Live(
        get_renderable=rows.table, console=Console(stderr=True), transient=True, refresh_per_second=FRAMES_A_SECOND
    ):
        yield rows


class Lines:
    """A line for each step that failed, and for each sample that has begun."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._begun: set[str] = set()

    def began(self, sample: str, step: str) -> None:
        with self._lock:
            if sample in self._begun:
                return
            self._begun.add(sample)
        output.note(f"{sample}: begun")

    def ended(self, result: Result) -> None:
        if result.verdict is Verdict.FAILED:
            output.note(output.printable(f"{result.sample}: {result.step} FAILED: {result.message}"))
        elif result.verdict is Verdict.PASSED and result.seconds >= SLOW:
            output.note(f"{result.sample}: {result.step} passed ({result.seconds:.0f} s)")


@dataclass
class _Row:
    """What is shown of one sample."""

    varied: str
    step: str = ""
    since: float = 0.0
    counts: dict[Verdict, int] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)


class Rows:
    """The samples as a table."""

    def __init__(self, samples: Sequence[Sample]) -> None:
        self._lock = threading.Lock()
        self._rows = {sample.name: _Row(_varied(sample)) for sample in samples}

    def began(self, sample: str, step: str) -> None:
        with self._lock:
            row = self._rows[sample]
            row.step, row.since = step, time.monotonic()

    def ended(self, result: Result) -> None:
        with self._lock:
            row = self._rows[result.sample]
            row.step = ""
            row.counts[result.verdict] = row.counts.get(result.verdict, 0) + 1
            if result.verdict is Verdict.FAILED:
                row.failed.append(result.step)

    def table(self) -> Table:
        """Return the table at this moment."""
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, pad_edge=False)
        for name in ("service", "with", "passed", "now", "failed"):
            table.add_column(name, no_wrap=name != "with", justify="right" if name == "passed" else "left")
        with self._lock:
            for name, row in self._rows.items():
                now = f"{row.step} {time.monotonic() - row.since:.0f} s" if row.step else ""
                passed = str(row.counts.get(Verdict.PASSED, "") or "")
                table.add_row(
                    name, Text(row.varied, style="dim"), passed, now, Text(", ".join(row.failed), style="red")
                )
        return table


def _varied(sample: Sample) -> str:
    """Return what distinguishes a sample from one with nothing but defaults."""
    plain = (DEFAULT, SHORT, "none", "False")
    given = {key: level for key, level in sample.levels.items() if key != SHAPE and level not in plain}
    return ", ".join(key if level == GIVEN else f"{key} {level}" for key, level in given.items())
