"""Rows of levels that cover each level, or each pair of levels, of several factors: always the same rows."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from itertools import combinations
from typing import TypeVar

Level = TypeVar("Level", bound=Hashable)
Row = dict[str, Level]
Goal = frozenset[tuple[str, Level]]
"""One level of a factor, or two levels of different factors, that one row has to have together."""


def each_level(factors: Mapping[str, Sequence[Level]]) -> list[Goal[Level]]:
    """Return a goal for each level of each factor."""
    return [frozenset({(factor, level)}) for factor, levels in factors.items() for level in levels]


def each_pair(factors: Mapping[str, Sequence[Level]]) -> list[Goal[Level]]:
    """Return a goal for each two levels of any two factors."""
    return [
        frozenset({(one, level), (other, another)})
        for one, other in combinations(factors, 2)
        for level in factors[one]
        for another in factors[other]
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
    open_goals = dict.fromkeys(goals)
    made: list[Row[Level]] = []
    while open_goals:
        row: Row[Level] = dict(next(iter(open_goals)))
        if not allowed(row):
            del open_goals[next(iter(open_goals))]  # no row can have it
            continue
        complete = all(
            factor in row or _complete(row, factor, factors[factor], open_goals, allowed) for factor in factors
        )
        reached = [goal for goal in open_goals if goal <= row.items()] if complete else []
        if not reached:  # what the other factors demand contradicts it
            del open_goals[next(iter(open_goals))]
            continue
        for goal in reached:
            del open_goals[goal]
        made.append({factor: row[factor] for factor in factors})
    return made


def _complete(
    row: Row[Level],
    factor: str,
    levels: Sequence[Level],
    goals: Mapping[Goal[Level], None],
    allowed: Callable[[Row[Level]], bool],
) -> bool:
    """Gives the row the level of one factor that serves most goals, as far as they are not contradicted already.

    Returns:
        Whether there is a level that makes sense.
    """

    def worth(level: Level) -> int:
        wanted = {**row, factor: level}
        return sum(
            all(wanted.get(one, other) == other for one, other in goal) and (factor, level) in goal for goal in goals
        )

    candidates = [level for level in levels if allowed({**row, factor: level})]
    if candidates:
        row[factor] = max(candidates, key=worth)
    return bool(candidates)
