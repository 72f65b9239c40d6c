"""Runs a function on many items in parallel, and leaves no process behind, however this process ends."""

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
_FEWEST = 2  # items per process; fewer do not justify starting one


@dataclass(frozen=True)
class Failed:
    """A failure with its reason, for messages."""

    reason: str


def each(
    function: Callable[[_Item], _Result], items: Sequence[_Item], processes: int | None = None
) -> Iterator[tuple[_Item, _Result | Failed]]:
    """Call the function with each item, in several processes that are copies of this one.

    Args:
        function: the function; its side effects other than on files are lost, because they happen in the copy.
        items: the arguments.
        processes: the number of processes; None for the number of available processors.

    Yields:
        Each item with the function's result, or with the reason of a NatsgenError, in order of completion.
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
    """Write the results to the pipe until it has no reader, which means that the parent process has ended."""
    for one in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(one, signal.SIG_DFL)
    for reader in others:
        reader.close()  # otherwise this process and later ones would count as readers of the pipe
    with suppress(OSError):
        for number in mine:
            result: object
            try:
                result = _attempt(function, items[number])
            except Exception as error:  # a bug, which the parent process reports
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
    """Return the number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
