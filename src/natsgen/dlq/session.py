"""From a command to its coroutine and back: one connection, signals that stop it in order, and how far it came."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

from natsgen.dlq.addresses import addresses
from natsgen.dlq.connecting import with_connection
from natsgen.dlq.connection import Connection
from natsgen.dlq.settings import Settings
from natsgen.errors import NatsError, StoppedError

_Result = TypeVar("_Result")


class Stop:
    """The person's wish to stop. Work that must settle what it has begun says so with `is_gentle`."""

    def __init__(self) -> None:
        self.is_gentle = False
        self._wished = asyncio.Event()

    @property
    def is_wished(self) -> bool:
        """Whether nothing new may begin."""
        return self._wished.is_set()

    def wish(self) -> None:
        """Lets what has begun be settled, and nothing new begin."""
        self._wished.set()

    async def wait(self, limit: float) -> None:
        """Returns after `limit` seconds, or as soon as the person wishes to stop."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._wished.wait(), limit)


def run(
    settings: Settings,
    work: Callable[[Connection, Stop], Coroutine[Any, Any, _Result]],
    *,
    so_far: Callable[[], str] = lambda: "",
    notify: Callable[[str], None] = lambda _: None,
) -> _Result:
    """Connects, runs `work` to its end, and disconnects.

    Args:
        settings: how to connect.
        work: what to do. On the first signal it is stopped gently if it asked for that; on the next at once.
        so_far: how far the work came, which is told with an error.
        notify: told what a first signal does.

    Raises:
        NatsError: NATS cannot be reached, or refuses.
        StoppedError: the person stopped it.
    """
    try:
        return asyncio.run(_run(settings, work, notify))
    except (NatsError, StoppedError) as error:
        raise (type(error) if isinstance(error, StoppedError) else NatsError)(str(error) + _after(so_far())) from error


async def _run(
    settings: Settings,
    work: Callable[[Connection, Stop], Coroutine[Any, Any, _Result]],
    notify: Callable[[str], None],
) -> _Result:
    servers = addresses(settings)
    stop = Stop()
    task = asyncio.create_task(with_connection(settings, servers, lambda connection: work(connection, stop)))

    def interrupt() -> None:
        if stop.is_gentle and not stop.is_wished:
            notify("stopping when what is on its way is settled; once more stops at once")
            stop.wish()
        else:
            task.cancel()

    with _on_signals(interrupt):
        try:
            return await task
        except asyncio.CancelledError as error:
            raise StoppedError("interrupted") from error


@contextmanager
def _on_signals(interrupt: Callable[[], None]) -> Iterator[None]:
    """Has `interrupt` called where Python would raise KeyboardInterrupt; elsewhere than in the main thread, nothing."""
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


def _after(text: str) -> str:
    return f"; {text}" if text else ""
