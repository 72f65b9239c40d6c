"""Rows of levels that cover each level, or each pair of levels, of several factors: always the same rows."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from itertools import combinations, product
from typing import TypeVar

Level = TypeVar("Level", bound=Hashable)
Row = dict[str, Level]
Goal = frozenset[tuple[str, Level]]
"""Levels of different factors that one row has to have together."""


def together(factors: Mapping[str, Sequence[Level]], count: int) -> list[Goal[Level]]:
    """Return a goal for each combination of levels of any `count` factors."""
    return [
        frozenset(zip(names, levels, strict=True))
        for names in combinations(factors, count)
        for levels in product(*(factors[name] for name in names))
    ]


def rows(
    factors: Mapping[str, Sequence[Level]], goals: Sequence[Goal[Level]], allowed: Callable[[Row[Level]], bool]
) -> list[Row[Level]]:
    """Return as few rows as a greedy choice finds that reach every goal which can be reached.

    Args:
        factors: the levels of each; the first level of each is taken where nothing speaks for another.
        goals: what has to be in some row.
        allowed: whether a row, complete or not, makes sense.
    """
    left = dict.fromkeys(goals)
    made: list[Row[Level]] = []
    while left:
        goal = next(iter(left))
        row = _row(factors, goal, left, allowed)
        del left[goal]
        if row:
            made.append(row)
            left = {goal: None for goal in left if not goal <= row.items()}
    return made


def _row(
    factors: Mapping[str, Sequence[Level]],
    goal: Goal[Level],
    goals: Collection[Goal[Level]],
    allowed: Callable[[Row[Level]], bool],
) -> Row[Level] | None:
    """Return a row that reaches one goal, and of the others as many as it can; None if no row can reach it."""
    row = dict(goal)
    for factor, levels in factors.items():

        def worth(level: Level, factor: str = factor) -> int:
            wanted = {**row, factor: level}
            return sum((factor, level) in one and all(wanted.get(key, it) == it for key, it in one) for one in goals)

        candidates = [row[factor]] if factor in row else levels
        candidates = [level for level in candidates if allowed({**row, factor: level})]
        if not candidates:
            return None
        row[factor] = max(candidates, key=worth)
    return {factor: row[factor] for factor in factors}
