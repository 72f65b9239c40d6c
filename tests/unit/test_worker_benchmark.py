"""What the report about generated workers says of what was measured."""

from __future__ import annotations

import asyncio
import json

import pytest

from benchmarks import worker
from benchmarks.arena import WARM_UP, Arena, payload, rotated
from benchmarks.figures import ratio, spread
from benchmarks.worker import BARE, Measured, section
from benchmarks.worker_latency import Latencies
from benchmarks.worker_lifetime import BACKLOGS, Memory
from benchmarks.worker_rates import LOADS, PUSH, RIVALS, WORKER


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> Measured:
    """Two rounds in which the worker is three quarters as fast as push, and the machine twice as slow in the second."""
    # the versions are read from an environment that takes a minute to make
    names = ("server", "client", "faststream", "fsai", "python", "machine", "cores")
    monkeypatch.setattr(worker, "_versions", lambda: dict.fromkeys(names, "1"))
    rates = {WORKER: [75_000.0, 37_500.0], **{name: [100_000.0, 50_000.0] for name in RIVALS}}
    return Measured(
        rates=dict.fromkeys(LOADS, rates),
        latency={WORKER: Latencies([0.5, 0.9], [1.0, 2.0]), PUSH: Latencies([0.4, 0.6], [0.9, 1.7])},
        starts={WORKER: [0.6, 1.2], BARE: [0.5, 1.0]},
        stops=[0.01, 0.02],
        memory=Memory([50.0, 51.0], [52.0, 53.0], [58.0, 59.0], {size: [51.0, 52.0] for size in BACKLOGS}),
        replicas={"1": [10_000.0, 10_000.0], "2": [15_000.0, 18_000.0]},
        options={"as generated": [10_000.0, 10_000.0], "DEDUP=nats-kv": [1_000.0, 2_000.0]},
        publishing={WORKER: [3_000.0, 4_000.0], "nats-py": [4_000.0, 4_000.0]},
    )


def test_a_ratio_is_made_within_a_round_and_not_of_the_medians(measured: Measured) -> None:
    assert f"| natsgen / {PUSH} |{' 0.75 (0.75 to 0.75) |' * len(LOADS)}" in section(measured, 2).splitlines()


def test_everything_that_was_measured_is_said(measured: Measured) -> None:
    lines = section(measured, 2).splitlines()
    assert "| added by natsgen | 0.20 (0.10 to 0.30) | 0.20 (0.10 to 0.30) |" in lines
    assert "| their ratio | 1.20 (1.20 to 1.20) |" in lines
    assert "| the same with Consul's client, MB | 58.5 (58.0 to 59.0) |" in lines
    assert "| 2 | 16,500 (15,000 to 18,000) | 1.65 (1.50 to 1.80) |" in lines
    assert "| DEDUP=nats-kv | 1,500 (1,000 to 2,000) | 0.15 (0.10 to 0.20) |" in lines
    assert "| nats-py | 4,000 (4,000 to 4,000) | 0.88 (0.75 to 1.00) |" in lines


def test_a_spread_is_the_median_with_the_range() -> None:
    assert spread([3.0, 1.0, 2.0]).text() == "2.00 (1.00 to 3.00)"
    assert ratio([1.0, 4.0], [2.0, 2.0]).text() == "1.25 (0.50 to 2.00)"


def test_who_came_to_nothing_in_a_round_does_not_end_the_report() -> None:
    assert ratio([1.0, 4.0, 3.0], [2.0, 0.0, 3.0]).text() == "1.00 (0.50 to inf)"


@pytest.mark.parametrize("size", [150, 2_048, 65_536])
def test_a_payload_has_its_size_and_is_an_event(size: int) -> None:
    made = payload("bench.item.event0", 7, size)
    assert len(made) == size
    assert json.loads(made)["data"]["number"] == 7


def test_nobody_is_always_first() -> None:
    assert [rotated(["a", "b", "c"], number)[0] for number in range(4)] == ["a", "b", "c", "a"]


def test_who_stands_still_before_the_warm_up_is_over_is_not_waited_for() -> None:
    class Stalled(Arena):
        def __init__(self) -> None:
            self.asked = 0

        async def acknowledged(self, _: str) -> int:
            self.asked += 1
            return 0 if self.asked < 3 else WARM_UP // 2

    assert 0 < asyncio.run(Stalled().rate("S64K", 8 * WARM_UP, longest=0.2)) <= WARM_UP / 2 / 0.2
