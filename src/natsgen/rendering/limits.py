"""Limits what a template of somebody else's computes and holds."""

from __future__ import annotations

import resource
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

SECONDS = 60.0  # of the processor's time
MEMORY = 500_000_000  # bytes, beyond what the process holds before
LARGEST_POWER = 1_000
_STATM = Path("/proc/self/statm")  # Linux; elsewhere memory has no limit
_DATA_PAGES = 5  # place in it


@contextmanager
def imposed() -> Iterator[None]:
    """Ends what takes too long or too much.

    Raises:
        TimeoutError: it took too long.
        MemoryError: it took too much.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # signals reach that one alone
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
    """`**` of templates: no signal ends it, so that it must be short.

    Raises:
        ValueError: it is not.
    """
    if not -LARGEST_POWER <= exponent <= LARGEST_POWER:
        raise ValueError(f"a power above {LARGEST_POWER} takes too long")
    return base**exponent


def _lower(one: int, other: int) -> int:
    return one if other == resource.RLIM_INFINITY else min(one, other)


def _too_long(*_: object) -> None:
    raise TimeoutError(f"it computes for longer than {SECONDS:g} s")
