"""The judge itself: what it must find, it finds."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import pytest

from tests.chaos.conftest import Prove
from tests.chaos.handler import MAX_PAYLOAD, Options
from tests.chaos.plan import Plan, header_size
from tests.chaos.report import section
from tests.chaos.rows import ROWS
from tests.chaos.verdict import Outcome, Record, longest_stall, out_of_order, wrong_starts

PYTHON = Path(sys.executable)


def test_a_handler_that_acknowledges_first_loses_events_and_is_caught(prove: Prove) -> None:
    careless = dataclasses.replace(ROWS["worker-killed"], options=Options(work=0.02, early=True))
    outcome = prove(careless)
    assert outcome.lost > 0
    assert any("lost" in promise for promise in outcome.broken)


@pytest.mark.parametrize(
    ("handled", "stall"),
    [
        ({"a": 1.1, "b": 2.1, "c": 3.1}, 0.1),  # idle between the events, which is no stall
        ({"a": 1.1, "b": 3.5, "c": 3.6}, 1.5),  # b was there from 2.0 on
        ({"a": 4.0, "b": 4.1, "c": 4.2}, 3.0),  # nothing came from the first on
        ({"b": 2.1, "c": 3.1, "a": 9.0}, 1.1),  # a comes again long after c, the last: that is its age, and no stall
    ],
)
def test_a_stall_is_time_without_work_done_while_there_was_work(handled: dict[str, float], stall: float) -> None:
    offered = {"a": 1.0, "b": 2.0, "c": 3.0}
    assert longest_stall(offered, handled, "c") == pytest.approx(stall)


def record(event: str, key: str, sequence: int, at: float) -> Record:
    return Record("handled", event, key, sequence, "worker0", at)


def test_order_is_that_of_each_key_and_of_the_first_time() -> None:
    inward = [record("a", "x", 0, 1.0), record("b", "y", 0, 2.0), record("c", "x", 1, 3.0)]
    assert out_of_order([*inward, record("a", "x", 0, 4.0)]) == 0
    assert out_of_order([*inward, record("d", "y", 2, 5.0), record("e", "y", 1, 6.0)]) == 1


def test_an_event_that_kills_has_a_start_less_only_if_another_killed_before_its_first() -> None:
    def starts(*events: tuple[str, float]) -> list[Record]:
        return [Record("started", event, "x", 0, "worker0", at) for event, at in events]

    offered = {"a": 1.0, "b": 2.0}
    before = starts(("a", 2.5), ("b", 4.0), ("a", 5.0), ("b", 6.0), ("a", 7.0))
    assert wrong_starts(before, offered, 3) == {}
    alone = starts(("a", 1.5), ("b", 4.0), ("a", 5.0), ("b", 6.0), ("a", 7.0))
    assert wrong_starts(alone, offered, 3) == {"b": 2}
    assert wrong_starts([*before, *starts(("a", 8.0))], offered, 3) == {"a": 4}


def test_a_plan_is_the_seeds_alone() -> None:
    plans = [Plan(100, seed, {"reject": 0.1, "slow": 2}, max_attempts=3) for seed in (1, 1, 2)]
    assert plans[0].events == plans[1].events != plans[2].events
    assert sorted(event.do for event in plans[0].events).count("reject") == 10
    assert len(plans[0].expected_letters) == 10


@pytest.mark.parametrize("do", ["work", "undecodable", "invalid"])
def test_a_large_event_is_as_large_as_it_says(do: str) -> None:
    plan = Plan(100, 1, {}, max_attempts=3, large=[(do, MAX_PAYLOAD)])
    (large,) = [event for event in plan.events if event.size]
    assert header_size(large.headers) + len(large.payload) == MAX_PAYLOAD


def test_a_row_that_runs_alone_replaces_its_own_line_and_its_broken_promises() -> None:
    first = section("", {name: [Outcome(published=1_000, broken=["late"])] for name in ("calm", "poison")}, PYTHON, "a")
    again = section(first, {"calm": [Outcome(published=2_000)]}, PYTHON, "b")
    assert [line.split("|")[4].strip() for line in again.splitlines() if line.startswith("| `")] == ["2,000", "1,000"]
    assert "- `poison`: late" in again
    assert "- `calm`: late" not in again
    assert "3,000 events, 2 rows" in again
