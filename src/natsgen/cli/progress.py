"""A progress bar for long operations: on standard error, only on a terminal, and after a delay."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from natsgen.cli import output

if TYPE_CHECKING:
    from rich.progress import Progress

MOMENT = 1.0  # seconds; shorter operations need no bar


@contextmanager
def bar(what: str) -> Iterator[Callable[[int, int], None]]:
    """Provide a function that draws how many items are done, of how many; the bar is removed at the end.

    Args:
        what: the name of the operation, such as "replaying".
    """
    began = time.monotonic()
    shown: list[Progress] = []
    with ExitStack() as stack:

        def show(done: int, total: int) -> None:
            if not shown and time.monotonic() - began >= MOMENT and output.can_animate():
                shown.append(stack.enter_context(_new()))
                shown[0].add_task(what)
            for one in shown:
                one.update(one.task_ids[0], completed=done, total=total)

        yield show


def _new() -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=Console(stderr=True), transient=True)
