"""Limits the CPU time and memory of untrusted templates."""

from __future__ import annotations

import resource
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

SECONDS = 60.0  # of CPU time
MEMORY = 500_000_000  # bytes, on top of what the process already uses
LARGEST_POWER = 1_000
_STATM = Path("/proc/self/statm")  # Linux; elsewhere memory has no limit
_DATA_PAGES = 5  # index of the field in it


@contextmanager
def imposed() -> Iterator[None]:
    """Limit the CPU time and memory of the `with` block.

    Raises:
        TimeoutError: the block exceeded the CPU time.
        MemoryError: the block exceeded the memory.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # signals only reach the main thread
        return
    before = signal.signal(signal.SIGVTALRM, _too_long)
    signal.setitimer(signal.ITIMER_VIRTUAL, SECONDS)
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    if _STATM.exists():
        held = int(_STATM.read_text().split()[_DATA_PAGES]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_DATA, (_lower(held + MEMORY, soft), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def power(base: Any, exponent: Any) -> Any:
    """Compute `**` for templates, with a limited exponent, because no signal can interrupt it.

    Raises:
        ValueError: the exponent exceeds the limit.
    """
    if not -LARGEST_POWER <= exponent <= LARGEST_POWER:
        raise ValueError(f"a power above {LARGEST_POWER} takes too long")
    return base**exponent


def _lower(one: int, other: int) -> int:
    return one if other == resource.RLIM_INFINITY else min(one, other)


def _too_long(*_: object) -> None:
    raise TimeoutError(f"it computes for more than {SECONDS:g} s")
