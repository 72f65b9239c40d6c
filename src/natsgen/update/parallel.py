"""Does the same with many things on all processors; nothing of it stays behind, however this process ends."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import TypeVar

from natsgen.errors import NatsgenError

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")
_FEWEST = 2  # items for each process; fewer would not be worth starting it


@dataclass(frozen=True)
class Failed:
    """What could not be done, and why, for a person."""

    reason: str


def each(
    function: Callable[[_Item], _Result], items: Sequence[_Item], processes: int | None = None
) -> Iterator[tuple[_Item, _Result | Failed]]:
    """Call the function with each item, in several processes that are copies of this one.

    Args:
        function: must change nothing but files, because what else it changes is changed only in the copy.
        items: what it is called with.
        processes: how many at once; as many as this process may use processors if None.

    Yields:
        Each item with what the function returned, or with why it raised a NatsgenError, as they come.
    """
    count = min(processes or _processors(), len(items) // _FEWEST)
    if count < 2:
        yield from ((item, _attempt(function, item)) for item in items)
        return
    context = multiprocessing.get_context("fork")
    readers: dict[Connection, list[int]] = {}
    workers = []
    try:
        for number in range(count):
            reader, writer = context.Pipe(duplex=False)
            mine = list(range(number, len(items), count))
            arguments = (function, items, mine, writer, [*readers, reader])
            worker = context.Process(target=_work, args=arguments, daemon=True)
            worker.start()
            writer.close()
            workers.append(worker)
            readers[reader] = mine
        yield from _collect(items, readers)
    finally:
        for worker in workers:
            worker.terminate()
            worker.join()
        for reader in readers:
            reader.close()


def _collect(items: Sequence[_Item], readers: dict[Connection, list[int]]) -> Iterator[tuple[_Item, _Result | Failed]]:
    while pending := [reader for reader, left in readers.items() if left]:
        for reader in wait(pending):
            assert isinstance(reader, Connection)
            left = readers[reader]
            try:
                result = reader.recv()
            except (EOFError, OSError):
                yield from ((items[number], Failed("a worker process ended unexpectedly")) for number in left)
                left.clear()
                continue
            if isinstance(result, BaseException):
                raise result
            yield items[left.pop(0)], result


def _work(
    function: Callable[[_Item], _Result],
    items: Sequence[_Item],
    mine: Sequence[int],
    writer: Connection,
    others: Sequence[Connection],
) -> None:
    """Write the results to its pipe, until nobody reads from it: then this process's parent is gone."""
    for one in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(one, signal.SIG_DFL)
    for reader in others:
        reader.close()  # or the pipe would seem to have a reader: this very process, and those after it
    with suppress(OSError):
        for number in mine:
            result: object
            try:
                result = _attempt(function, items[number])
            except Exception as error:  # a bug: this process's parent says so
                result = RuntimeError(f"{type(error).__name__}: {error}")
            writer.send(result)


def _attempt(function: Callable[[_Item], _Result], item: _Item) -> _Result | Failed:
    try:
        return function(item)
    except NatsgenError as error:
        return Failed(str(error))
    except OSError as error:
        where = f": {error.filename}" if error.filename else ""
        return Failed(f"{error.strerror or error}{where}")


def _processors() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
