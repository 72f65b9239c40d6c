"""Waiting for a condition, with a limit; the harness never waits in another way."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from natsgen.harness.errors import ProcessDied, WaitTimeout

T = TypeVar("T")

POLL_SECONDS = 0.02
"""Short enough to react at once, long enough to leave the processor to other processes."""


def wait_until(
    condition: Callable[[], T | None],
    *,
    limit: float,
    what: str,
    every: float = POLL_SECONDS,
    alive: Callable[[], None] | None = None,
) -> T:
    """Call `condition` every `every` seconds until it returns a truthy value, and return that.

    `what` completes "waiting for ...". An exception in `condition` counts as "not yet". `alive` is called
    after each failed try; it raises (see `ManagedProcess.check_alive`) if further waiting is pointless.

    Raises `WaitTimeout` after `limit` seconds, with the last value or exception; `ProcessDied` is raised at once.
    """
    deadline = time.monotonic() + limit
    while True:
        failure: Exception | None = None
        value: T | None = None
        try:
            value = condition()
        except ProcessDied:
            raise
        except Exception as error:  # reported when the limit has passed
            failure = error
        else:
            if value:
                return value
        if alive is not None:
            alive()
        remaining = deadline - time.monotonic()
        if remaining <= 0:
            last = f"last value: {value!r}" if failure is None else f"last error: {type(failure).__name__}: {failure}"
            raise WaitTimeout(f"timed out after {limit:g} s waiting for {what}; {last}") from failure
        time.sleep(min(every, remaining))
