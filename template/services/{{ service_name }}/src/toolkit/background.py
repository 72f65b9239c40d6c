"""An event loop in a background thread, for synchronous code."""

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
    """Runs coroutines for any number of threads; each thread waits for its own. Starts when it is created."""

    STOP_LIMIT = 2.0  # seconds that cancelled coroutines have to end

    def __init__(self, name: str) -> None:
        self._process = os.getpid()
        self._runner = asyncio.Runner(loop_factory=asyncio.new_event_loop)
        self._loop = self._runner.get_loop()
        self._stopping = asyncio.Event()
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    @property
    def forked(self) -> bool:
        """Return whether this process is a fork of the one in which it runs."""
        return self._process != os.getpid()

    def run(self, coroutine: Coroutine[Any, Any, Result]) -> Result:
        """Run a coroutine and return its result; an interrupt in the calling thread cancels it.

        Raises:
            RuntimeError: it was closed meanwhile, or waiting would block the event loop of the calling thread.
        """
        problem = ""
        if threading.current_thread() is self._thread:
            problem = "called from its own event loop, which would wait for itself"
        elif _would_block_a_loop():
            problem = (
                "this would block the event loop of this thread: `await` the same method of `nats` in "
                "src.requests.nats or of the object itself, or run the synchronous code with "
                "`await asyncio.to_thread(...)`"
            )
        if problem:
            coroutine.close()
            raise RuntimeError(problem)
        future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        try:
            return future.result()
        except concurrent.futures.CancelledError:
            raise RuntimeError("closed while this was waiting for an answer") from None
        except BaseException:
            future.cancel()
            raise

    def start_soon(self, coroutine: Coroutine[Any, Any, object]) -> None:
        """Run a coroutine without waiting for it, if the loop runs."""
        if self._loop.is_running() and not self.forked:
            asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        else:
            coroutine.close()

    def stop(self) -> None:
        """Cancel running coroutines, and end the thread."""
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(self.STOP_LIMIT)

    def _work(self) -> None:
        with self._runner:  # cancels what still runs, and closes the loop
            self._runner.run(self._stopping.wait())


def _would_block_a_loop() -> bool:
    """Return whether this thread runs an event loop, other than a notebook's, which cells always block."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return "ipykernel" not in sys.modules or threading.current_thread() is not threading.main_thread()
