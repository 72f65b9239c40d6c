"""A progress bar for long operations: on standard error, only on a terminal, and after a delay."""

from __future__ import annotations

import time
from types import TracebackType
from typing import TYPE_CHECKING, Self

from natsgen.cli import output

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

MOMENT = 1.0  # seconds; shorter operations need no bar


class Progress:
    """Shows a progress bar. As a context manager, it removes the bar at the end.

    Args:
        what: the name of the operation, such as "replaying".
    """

    def __init__(self, what: str) -> None:
        self._what = what
        self._began = time.monotonic()
        self._bar: Bar | None = None

    def show(self, done: int, total: int) -> None:
        """Draw the bar, if the delay has passed."""
        if self._bar is None:
            if time.monotonic() - self._began < MOMENT or not output.can_animate():
                return
            self._bar = _bar()
            self._bar.add_task(self._what, total=total)
            self._bar.start()
        self._bar.update(self._bar.task_ids[0], completed=done, total=total)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


def _bar() -> Bar:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Bar(*columns, console=Console(stderr=True), transient=True)
