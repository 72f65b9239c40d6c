"""How long to wait before the next attempt: exponential, with jitter and a cap."""

from __future__ import annotations

import random
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Backoff:
    """The delays between attempts.

    Attributes:
        initial: seconds before the second attempt.
        factor: what each further delay is multiplied by.
        maximum: seconds that no delay exceeds, jitter aside.
        jitter: share of the delay, up or down, drawn at random so that failures do not return in step.
    """

    initial: float = 1.0
    factor: float = 2.0
    maximum: float = 60.0
    jitter: float = 0.2

    def delay(self, attempt: int) -> float:
        """Seconds to wait after `attempt` (1 for the first) failed."""
        # the exponent is bounded: a float overflows long after the maximum is reached
        delay = min(self.initial * self.factor ** min(attempt - 1, 64), self.maximum)
        return delay * random.uniform(1 - self.jitter, 1 + self.jitter)

    def problems(self) -> list[str]:
        """What is wrong with these values, one line each; empty when they can be used."""
        found = []
        if self.initial <= 0:
            found.append(f"backoff.initial is {self.initial}; it takes seconds above 0")
        if self.factor < 1:
            found.append(f"backoff.factor is {self.factor}; it takes 1 or more")
        if self.maximum < self.initial:
            found.append(f"backoff.maximum is {self.maximum}; it takes at least backoff.initial ({self.initial})")
        if not 0 <= self.jitter < 1:
            found.append(f"backoff.jitter is {self.jitter}; it takes a share from 0 to below 1")
        return found
