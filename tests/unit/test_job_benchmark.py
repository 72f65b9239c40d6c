"""What the report about the realistic job says of what was measured."""

from __future__ import annotations

import pytest

from benchmarks import job
from benchmarks.job import FASTSTREAM, TASKIQ, WORKER, Figures, section


def test_everything_that_was_measured_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    # the versions are read from an environment that takes a minute to make
    names = ("server", "client", "faststream", "taskiq", "python", "machine")
    monkeypatch.setattr(job, "_versions", lambda: dict.fromkeys(names, "1"))
    measured = {
        WORKER: Figures([6_000.0, 3_000.0], [10.0, 12.0], [5.0, 7.0], [60.0, 62.0]),
        FASTSTREAM: Figures([2_000.0, 500.0], [40.0, 44.0], [20.0, 30.0], [64.0, 66.0]),
        TASKIQ: Figures([1_000.0, 1_000.0], [50.0, 54.0], [], [70.0, 72.0]),
    }

    lines = section(measured, 2).splitlines()

    assert [line for line in lines if line.startswith(("| FastStream", "| Taskiq"))] == [
        f"| {FASTSTREAM} | 1,250 (500 to 2,000) | 4.50 (3.00 to 6.00) | 25.0 (20.0 to 30.0) | 42.0 (40.0 to 44.0) | "
        f"65 (64 to 66) |",
        f"| {TASKIQ} | 1,000 (1,000 to 1,000) | 4.50 (3.00 to 6.00) |  | 52.0 (50.0 to 54.0) | 71 (70 to 72) |",
    ]
