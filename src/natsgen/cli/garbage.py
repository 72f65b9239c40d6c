"""Python's search for garbage, which suits programs that run long: a command makes little and is over in a second."""

from __future__ import annotations

import atexit
import gc

THRESHOLD = 50_000
"""New objects between two searches. Python's own 700 is for ever reached while modules are imported, in vain."""


def search_less() -> None:
    """Searches seldom while the command runs, and not at all when the process ends.

    The last search goes through all that was ever imported, to free it one by one. It takes a sixth of the time of
    `natsgen new worker`, and the system frees the memory anyway.
    """
    gc.set_threshold(THRESHOLD)
    atexit.register(gc.freeze)
