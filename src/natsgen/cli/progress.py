"""A bar for work that takes long: on standard error, on a terminal, and only after a moment."""

from __future__ import annotations

import time
from types import TracebackType
from typing import TYPE_CHECKING, Self

from natsgen.cli import output

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

MOMENT = 1.0  # seconds; what is done sooner needs no bar


class Progress:
    """Tells how far the work is. As a context manager it takes the bar away at the end.

    Args:
        what: what is being done, such as "replaying".
    """

    def __init__(self, what: str) -> None:
        self._what = what
        self._began = time.monotonic()
        self._bar: Bar | None = None

    def show(self, done: int, total: int) -> None:
        """Draw the bar, if it has been long enough."""
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
