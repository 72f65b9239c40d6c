"""An event loop in a thread of its own, for code that has none."""

from __future__ import annotations

import asyncio
import concurrent.futures
import os
import sys
import threading
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator
from contextlib import suppress
from typing import Any, ParamSpec, TypeVar

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


class Background:
    """Runs coroutines for any number of threads, each of which waits for its own.

    Args:
        name: of the thread.
    """

    STOP_LIMIT = 5.0  # seconds that what still runs has to end

    def __init__(self, name: str) -> None:
        self._name = name
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._process = 0
        self._abandoned: list[asyncio.AbstractEventLoop] = []

    @property
    def running(self) -> bool:
        """Whether there is a loop, in this very process."""
        return self._loop is not None and self._process == os.getpid()

    def start(self) -> None:
        """Starts the thread."""
        if self._loop is not None:  # another process's: it shares what closing it would take away over there
            self._abandoned.append(self._loop)
        loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=loop.run_forever, name=self._name, daemon=True)
        self._loop, self._process = loop, os.getpid()
        self._thread.start()

    def run(
        self,
        function: Callable[Parameters, Coroutine[Any, Any, Result]],
        *args: Parameters.args,
        **kwargs: Parameters.kwargs,
    ) -> Result:
        """Calls a coroutine function over there and returns its result; an interrupt here cancels it there.

        Raises:
            RuntimeError: there is no loop, or waiting here would hold up the one that runs in this thread.
        """
        loop = self._usable()
        future = asyncio.run_coroutine_threadsafe(function(*args, **kwargs), loop)
        try:
            return future.result()
        except concurrent.futures.CancelledError:
            raise RuntimeError("closed while this was waiting for an answer") from None
        except BaseException:
            future.cancel()
            raise

    def iterate(
        self,
        function: Callable[Parameters, AsyncGenerator[Result, None]],
        *args: Parameters.args,
        **kwargs: Parameters.kwargs,
    ) -> Iterator[Result]:
        """Calls an asynchronous generator function over there and gives what it gives, one by one.

        Raises:
            RuntimeError: as `run` does.
        """
        self._usable()
        generator = function(*args, **kwargs)
        ended: Any = object()

        async def following() -> Any:
            return await anext(generator, ended)

        try:
            while (value := self.run(following)) is not ended:
                yield value
        finally:  # perhaps by the garbage collector, in whatever thread: so nobody waits
            if self._loop is not None and self.running:
                asyncio.run_coroutine_threadsafe(_close(generator), self._loop)

    def stop(self) -> None:
        """Cancels what still runs, and ends the thread. May be called twice, and in a process forked meanwhile."""
        loop, thread, same_process = self._loop, self._thread, self.running
        self._loop = self._thread = None
        if loop is None or thread is None or not same_process:
            return
        try:
            asyncio.run_coroutine_threadsafe(_cancel_all(self.STOP_LIMIT), loop).result(2 * self.STOP_LIMIT)
        finally:
            loop.call_soon_threadsafe(loop.stop)
            thread.join(self.STOP_LIMIT)
            if not thread.is_alive():
                loop.close()

    def _usable(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            raise RuntimeError("not open: use it as `with SyncNats() as nats: ...`, or call `open()` first")
        if self._process != os.getpid():
            raise RuntimeError("opened before this process was forked: each process opens its own")
        if threading.current_thread() is self._thread:
            raise RuntimeError("called from its own event loop, which would wait for itself")
        if _in_event_loop() and not _in_notebook():
            raise RuntimeError(
                "this would block the event loop of this thread: `await` the same method of `nats` in "
                "src.requests.nats, of Bucket or Store of src.toolkit, or have the synchronous code run by "
                "`await asyncio.to_thread(...)`"
            )
        return self._loop


def _in_event_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _in_notebook() -> bool:
    """Whether the loop is a notebook's, whose cells block it as a matter of course."""
    return "ipykernel" in sys.modules and threading.current_thread() is threading.main_thread()


async def _close(generator: AsyncGenerator[Any, None]) -> None:
    with suppress(RuntimeError):  # it is being cancelled already
        await generator.aclose()


async def _cancel_all(limit: float) -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks, timeout=limit)
    await asyncio.get_running_loop().shutdown_asyncgens()
