"""Combinations of factors' levels that cover each level, or each pair of levels; the result is deterministic.

`allpairspy` misses reachable pairs when some combinations are not allowed.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from itertools import combinations, product
from typing import TypeVar

Level = TypeVar("Level", bound=Hashable)
Row = dict[str, Level]
Goal = frozenset[tuple[str, Level]]
"""Levels of different factors that one row must combine."""


def combinations_of(factors: Mapping[str, Sequence[Level]], count: int) -> list[Goal[Level]]:
    """Return a goal for each combination of levels of any `count` factors."""
    return [
        frozenset(zip(names, levels, strict=True))
        for names in combinations(factors, count)
        for levels in product(*(factors[name] for name in names))
    ]


def rows(
    factors: Mapping[str, Sequence[Level]], goals: Sequence[Goal[Level]], allowed: Callable[[Row[Level]], bool]
) -> list[Row[Level]]:
    """Return rows that reach every reachable goal; a greedy choice keeps them few.

    Args:
        factors: the levels of each factor, the default level first.
        goals: combinations that must occur in a row.
        allowed: returns whether a row, complete or partial, is valid.
    """
    left = dict.fromkeys(goals)
    chosen: list[Row[Level]] = []
    while left:
        goal = next(iter(left))
        row = _row(factors, goal, left, allowed)
        del left[goal]
        if row:
            chosen.append(row)
            left = {goal: None for goal in left if not goal <= row.items()}
    return chosen


def _row(
    factors: Mapping[str, Sequence[Level]],
    goal: Goal[Level],
    goals: Collection[Goal[Level]],
    allowed: Callable[[Row[Level]], bool],
) -> Row[Level] | None:
    """Return a row that reaches one goal and as many others as possible; None if the goal is unreachable."""
    row = dict(goal)
    for factor, levels in factors.items():

        def goals_open_with(level: Level, factor: str = factor) -> int:
            wanted = {**row, factor: level}
            return sum((factor, level) in one and all(wanted.get(key, it) == it for key, it in one) for one in goals)

        candidates = [row[factor]] if factor in row else levels
        candidates = [level for level in candidates if allowed({**row, factor: level})]
        if not candidates:
            return None
        row[factor] = max(candidates, key=goals_open_with)
    return {factor: row[factor] for factor in factors}
