"""How far a run is, on a terminal and elsewhere."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from natsgen.answers import questions
from natsgen.cli.smoke_progress import SLOW, Lines, Rows, progress
from natsgen.rendering import template_source
from natsgen.smoke import matrix
from natsgen.smoke.steps import Result, Verdict

SAMPLES = matrix.samples(questions.read(template_source.bundled().folder))
ONE = SAMPLES[0].name


def test_the_table_has_a_row_for_each_service_and_says_what_is_done_now() -> None:
    rows = Rows(SAMPLES)
    rows.ended(Result(ONE, "generate", Verdict.PASSED, 1.0))
    rows.ended(Result(ONE, "ruff", Verdict.FAILED, 1.0, "x"))
    rows.began(ONE, "mypy")
    console = Console(file=io.StringIO(), width=120)

    console.print(rows.table())

    text = console.file.getvalue()  # type: ignore[attr-defined]
    line = next(line for line in text.splitlines() if line.startswith(ONE))
    assert line.split()[-5:] == ["1", "mypy", "0", "s", "ruff"]
    assert all(any(line.startswith(sample.name) for line in text.splitlines()) for sample in SAMPLES)


def test_elsewhere_there_are_plain_lines_of_failures_and_of_what_takes_long(capsys: pytest.CaptureFixture[str]) -> None:
    lines = Lines()
    lines.began(ONE, "generate")
    lines.ended(Result(ONE, "generate", Verdict.PASSED, SLOW / 2))
    lines.began(ONE, "mypy")
    lines.ended(Result(ONE, "mypy", Verdict.PASSED, SLOW * 2))
    lines.ended(Result(ONE, "tests", Verdict.FAILED, 1.0, "a\nb"))

    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines() == [
        f"{ONE}: begun",
        f"{ONE}: mypy passed ({SLOW * 2:.0f} s)",
        f"{ONE}: tests FAILED: a\\nb",
    ]


def test_off_a_terminal_nothing_is_drawn() -> None:
    with progress(SAMPLES) as listener:
        assert isinstance(listener, Lines)
