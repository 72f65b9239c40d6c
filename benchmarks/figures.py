"""Figures from rounds: what is compared is measured in turn in every round, and the ratios are made within a round.

The speed of a machine changes from minute to minute; a ratio of neighbours does not.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Spread:
    """What a figure was over the rounds: its median, and the least and the most."""

    median: float
    least: float
    most: float

    def text(self, form: str = ",.2f") -> str:
        """Return the median, with the range behind it; `form` is how one number is shown."""
        return f"{self.median:{form}} ({self.least:{form}} to {self.most:{form}})"


def spread(values: Sequence[float]) -> Spread:
    """Return the spread of at least one value."""
    return Spread(statistics.median(values), min(values), max(values))


def ratio(mine: Sequence[float], others: Sequence[float]) -> Spread:
    """Return the spread of `mine / others`, round by round; infinite in a round in which the other came to nothing."""
    return spread([one / other if other else math.inf for one, other in zip(mine, others, strict=True)])


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table; every column but the first is aligned to the right."""
    lines = [f"| {' | '.join(head)} |", "|---|" + "--:|" * (len(head) - 1)]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])
