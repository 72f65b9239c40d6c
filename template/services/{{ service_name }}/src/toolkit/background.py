"""An event loop in a thread of its own, for code that has none."""

from __future__ import annotations

import asyncio
import concurrent.futures
import os
import sys
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")


class Background:
    """Runs coroutines for any number of threads; each thread waits for its own."""

    STOP_LIMIT = 2.0  # seconds that cancelled coroutines have to end

    def __init__(self, name: str) -> None:
        self._name = name
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._process = 0
        self._abandoned: list[asyncio.AbstractEventLoop] = []

    @property
    def running(self) -> bool:
        """Return whether the loop runs, in this process."""
        return self._loop is not None and self._process == os.getpid()

    def start(self) -> None:
        """Start the thread."""
        if self._loop is not None:  # the parent process uses what closing it here would close
            self._abandoned.append(self._loop)
        self._loop, self._process = asyncio.new_event_loop(), os.getpid()
        self._thread = threading.Thread(target=self._loop.run_forever, name=self._name, daemon=True)
        self._thread.start()

    def run(self, coroutine: Coroutine[Any, Any, Result]) -> Result:
        """Run a coroutine and return its result; an interrupt in the calling thread cancels it.

        Raises:
            RuntimeError: the loop does not run, or waiting for it would block the loop of the calling thread.
        """
        try:
            loop = self._usable()
        except RuntimeError:
            coroutine.close()
            raise
        future = asyncio.run_coroutine_threadsafe(coroutine, loop)
        try:
            return future.result()
        except concurrent.futures.CancelledError:
            raise RuntimeError("closed while this was waiting for an answer") from None
        except BaseException:
            future.cancel()
            raise

    def start_soon(self, coroutine: Coroutine[Any, Any, object]) -> None:
        """Run a coroutine without waiting for it, if the loop runs."""
        if self._loop is not None and self.running:
            asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        else:
            coroutine.close()

    def stop(self) -> None:
        """Cancel what still runs, and end the thread. You can call this twice, and in a forked process."""
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
        if _would_block_a_loop():
            raise RuntimeError(
                "this would block the event loop of this thread: `await` the same method of `nats` in "
                "src.requests.nats or of the object itself, or run the synchronous code with "
                "`await asyncio.to_thread(...)`"
            )
        return self._loop


def _would_block_a_loop() -> bool:
    """Return whether this thread runs an event loop, except that of a notebook, whose cells always block it."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return "ipykernel" not in sys.modules or threading.current_thread() is not threading.main_thread()


async def _cancel_all(limit: float) -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks, timeout=limit)
    await asyncio.get_running_loop().shutdown_asyncgens()
