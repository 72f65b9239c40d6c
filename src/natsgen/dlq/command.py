"""Run the work of one command over a connection, and close that in order, also on a signal."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

import nats.errors

from natsgen.cli import output
from natsgen.dlq.cancelling import cancel
from natsgen.dlq.connection import Connection, connect
from natsgen.dlq.settings import Settings
from natsgen.errors import NatsError, StoppedError

CLOSE_LIMIT = 2.0  # seconds; nothing important is in flight

_Result = TypeVar("_Result")


class Stop:
    """The user's request to stop. Work that must finish what it has started sets `is_graceful`."""

    def __init__(self) -> None:
        self.is_graceful = False
        self._requested = asyncio.Event()

    @property
    def is_requested(self) -> bool:
        """Return whether the user requested a stop."""
        return self._requested.is_set()

    def request(self) -> None:
        """Request a stop: started work finishes, and no new work starts."""
        self._requested.set()

    async def wait(self, limit: float) -> None:
        """Return after `limit` seconds, or as soon as a stop is requested."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._requested.wait(), limit)


def run(
    settings: Settings,
    work: Callable[[Connection, Stop], Coroutine[Any, Any, _Result]],
    *,
    progress_text: Callable[[], str] = lambda: "",
) -> _Result:
    """Connect, run `work` to its end, and disconnect.

    Args:
        settings: how to connect.
        work: the work. The first signal stops it gracefully if it supports that; the next one at once.
        progress_text: returns the progress of the work, which is added to an error's message.

    Raises:
        NatsError: NATS cannot be reached or rejects a request.
        StoppedError: the user stopped it.
    """
    try:
        return asyncio.run(_run(settings, work))
    except (NatsError, StoppedError) as error:
        kind = type(error) if isinstance(error, StoppedError) else NatsError
        raise kind("; ".join(filter(None, (str(error), progress_text())))) from error


async def _run(settings: Settings, work: Callable[[Connection, Stop], Coroutine[Any, Any, _Result]]) -> _Result:
    stop = Stop()
    task = asyncio.create_task(with_connection(settings, lambda connection: work(connection, stop)))

    def interrupt() -> None:
        if stop.is_graceful and not stop.is_requested:
            output.note("stopping after the messages in flight; interrupt again to stop at once")
            stop.request()
        else:
            task.cancel()

    with _on_signals(interrupt):
        try:
            return await task
        except asyncio.CancelledError as error:
            raise StoppedError("interrupted") from error


async def with_connection(settings: Settings, work: Callable[[Connection], Coroutine[Any, Any, _Result]]) -> _Result:
    """Connect, and return the result of `work`, which ends as soon as the connection fails.

    Raises:
        NatsError: connecting fails, the connection is lost, or the server denies permission.
    """
    failed: asyncio.Future[NatsError] = asyncio.get_running_loop().create_future()
    connection = await connect(settings, failed)
    task = asyncio.create_task(work(connection))
    try:
        either: list[asyncio.Future[Any]] = [task, failed]
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if task.done() and _may_be_lost_connection(task.exception()):
            await asyncio.wait({failed}, timeout=CLOSE_LIMIT)  # the work may notice a lost connection first
        if failed.done() and not (task.done() and task.exception() is None):
            raise failed.result()  # also the cause if the work failed
        return await task
    finally:
        await cancel(task)
        failed.cancel()
        await asyncio.wait({asyncio.create_task(connection.client.close())}, timeout=CLOSE_LIMIT)


def _may_be_lost_connection(error: BaseException | None) -> bool:
    """Return whether an error may come from a lost connection."""
    cause = error.__cause__ if error else None
    if isinstance(cause, nats.errors.NoRespondersError | nats.errors.TimeoutError):
        return False
    return isinstance(cause, nats.errors.Error | OSError)


@contextmanager
def _on_signals(interrupt: Callable[[], None]) -> Iterator[None]:
    """Call `interrupt` on a signal instead of raising KeyboardInterrupt; no effect outside the main thread."""
    loop = asyncio.get_running_loop()
    handled: list[tuple[signal.Signals, Any]] = []
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        before = signal.getsignal(number)
        if before not in (signal.SIG_DFL, signal.SIG_IGN, None):
            try:
                loop.add_signal_handler(number, interrupt)
            except (RuntimeError, ValueError):
                break
            handled.append((number, before))
    try:
        yield
    finally:
        for number, before in handled:
            loop.remove_signal_handler(number)
            signal.signal(number, before)
