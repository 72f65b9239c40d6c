"""One command to its end: its output, its exit code, its limit."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from natsgen.harness.commands import run
from natsgen.harness.errors import CommandFailed, ProgramMissing
from natsgen.harness.waiting import wait_until


def test_output_and_errors_are_kept_apart() -> None:
    completed = run(["sh", "-c", "echo out; echo err >&2"], limit=30)
    assert completed == (0, "out\n", "err\n")
    assert completed.everything == "out\nerr"


def test_a_failure_tells_command_exit_code_and_the_end_of_the_output() -> None:
    with pytest.raises(CommandFailed, match=r"(?s)exit code 3.*line 100$") as caught:
        run(["sh", "-c", "for i in $(seq 100); do echo line $i; done; exit 3"], limit=30)
    assert caught.value.exit_code == 3
    assert "line 1\n" in caught.value.output
    assert "line 1\n" not in str(caught.value)


def test_a_failure_may_be_expected() -> None:
    assert run(["false"], limit=30, check=False).exit_code == 1


def test_a_command_over_its_limit_is_killed_with_its_children(runs: Callable[[int], bool]) -> None:
    with pytest.raises(CommandFailed, match=r"did not end within its limit.*(?s:.)*The limit was 0\.3 s") as caught:
        run(["sh", "-c", "sleep 60 & echo child $!; wait"], limit=0.3)
    child = int(re.findall(r"child (\d+)", caught.value.output)[0])
    wait_until(lambda: not runs(child), limit=30, what="the child to end")


def test_a_missing_program_is_named() -> None:
    with pytest.raises(ProgramMissing, match="no-such-program"):
        run(["no-such-program"], limit=30)
