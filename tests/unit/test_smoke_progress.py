"""How far a run is."""

from __future__ import annotations

import pytest

from natsgen.cli.smoke_progress import SLOW, Lines
from natsgen.smoke.steps import Result, Verdict

ONE = "worker"


def test_there_are_lines_of_failures_and_of_what_takes_long(capsys: pytest.CaptureFixture[str]) -> None:
    lines = Lines()
    lines.began(ONE, "generate")
    lines.ended(Result(ONE, "generate", Verdict.PASSED, SLOW / 2))
    lines.began(ONE, "mypy")
    lines.ended(Result(ONE, "mypy", Verdict.PASSED, SLOW * 2))
    lines.ended(Result(ONE, "tests", Verdict.FAILED, 1.0, "a\nb"))

    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines() == [
        f"{ONE}: started",
        f"{ONE}: mypy passed ({SLOW * 2:.0f} s)",
        f"{ONE}: tests FAILED: a\\nb",
    ]
