"""What the inbox knows of a message."""

from __future__ import annotations

from enum import Enum, auto


class Claim(Enum):
    """The answer to a claim."""

    TAKEN = auto()  # this worker handles it now
    HELD = auto()  # another worker handles it right now
    DONE = auto()  # it has been handled
