"""Giving up in mid-run: every thread hears of it, and what it waits for is ended."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from natsgen.harness import commands
from natsgen.harness.errors import HarnessError


class Interrupted(Exception):
    """The person does not want it any more. No step has failed."""


class Stopping:
    """Whether the run goes on."""

    def __init__(self) -> None:
        self._requested = threading.Event()
        self._lock = threading.Lock()
        self._ends: list[Callable[[], object]] = []

    def request(self) -> None:
        """Ends what runs now, so that all threads come to their end soon."""
        self._requested.set()
        commands.kill_running()
        with self._lock:
            ends = list(self._ends)
        for end in ends:
            with suppress(HarnessError):
                end()

    def check(self) -> None:
        """Raises `Interrupted` if the run is over."""
        if self._requested.is_set():
            raise Interrupted

    @contextmanager
    def ending(self, end: Callable[[], object]) -> Iterator[None]:
        """Has `end` called, from another thread, if the run is given up before the `with` block is left."""
        self.check()
        with self._lock:
            self._ends.append(end)
        try:
            yield
        finally:
            with self._lock:
                self._ends.remove(end)
