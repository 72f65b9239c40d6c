"""One run of one program: its output, its signals, its end."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from natsgen.harness.errors import ProcessDied, ProgramMissing, WaitTimeout
from natsgen.harness.processes import ManagedProcess
from natsgen.harness.waiting import wait_until
from tests.harness_tools.freezing import freeze, resume

Owner = Callable[..., tuple[subprocess.Popen[str], str]]
Runs = Callable[[int], bool]


def start(tmp_path: Path, script: str, **options: object) -> ManagedProcess:
    return ManagedProcess(["sh", "-c", script], name="program", log_folder=tmp_path, **options)  # type: ignore[arg-type]


def test_output_and_errors_go_to_one_file_in_order(tmp_path: Path) -> None:
    with start(tmp_path, "echo one; echo two >&2; echo three") as process:
        process.wait(5)
    assert process.lines() == ["one", "two", "three"]


def test_errors_can_be_kept_apart(tmp_path: Path) -> None:
    with start(tmp_path, "echo one; echo two >&2", separate_errors=True) as process:
        process.wait(5)
    assert (process.lines(), process.error_lines()) == (["one"], ["two"])
    assert process.tail() == "one\ntwo"


def test_a_second_run_shows_only_its_own_lines(tmp_path: Path) -> None:
    for word in ("first", "second"):
        with start(tmp_path, f"echo {word}") as process:
            process.wait(5)
    assert process.lines() == ["second"]
    assert (tmp_path / "program.log").read_text() == "first\nsecond\n"


def test_the_environment_given_is_the_whole_environment(tmp_path: Path) -> None:
    with ManagedProcess(["/usr/bin/env"], name="env", log_folder=tmp_path, environment={"ONLY": "this"}) as process:
        process.wait(5)
    assert process.lines() == ["ONLY=this"]


def test_waits_for_a_line_and_gives_the_match(tmp_path: Path) -> None:
    with start(tmp_path, "echo starting; sleep 0.1; echo listening on 4222; sleep 60") as process:
        assert process.wait_for_line(r"listening on (\d+)", limit=30)[1] == "4222"
        assert process.wait_for_line("starting", limit=30)


def test_the_last_words_of_a_process_are_heard(tmp_path: Path) -> None:
    with start(tmp_path, "echo done") as process:
        process.wait(5)
        assert process.wait_for_line("done", limit=30)


def test_waiting_for_a_line_of_a_dead_process_fails_with_its_log(tmp_path: Path) -> None:
    with (
        start(tmp_path, "echo cannot read the configuration >&2; exit 3") as process,
        pytest.raises(ProcessDied, match=r"(?s)exit code 3.*cannot read the configuration"),
    ):
        process.wait_for_line("ready", limit=30)


def test_waiting_in_vain_for_a_line_shows_the_log(tmp_path: Path) -> None:
    with start(tmp_path, "echo still starting; exec sleep 60") as process:
        process.wait_for_line("still", limit=30)
        with pytest.raises(WaitTimeout, match=r"(?s)program to print 'ready'.*still starting"):
            process.wait_for_line("ready", limit=0.05)


def test_stop_gives_the_exit_code(tmp_path: Path) -> None:
    with start(tmp_path, "trap 'exit 7' TERM; echo set; while :; do sleep 0.05; done") as process:
        process.wait_for_line("set", limit=30)
        stopped = process.stop(5)
    assert (stopped.exit_code, stopped.forced) == (7, False)
    assert stopped.seconds < 5


def test_stop_kills_what_does_not_listen_and_says_so(tmp_path: Path) -> None:
    with start(tmp_path, "trap '' TERM; echo set; while :; do sleep 0.05; done") as process:
        process.wait_for_line("set", limit=30)
        stopped = process.stop(0.2)
    assert (stopped.exit_code, stopped.forced) == (-signal.SIGKILL, True)


def test_stop_ends_a_frozen_process(tmp_path: Path) -> None:
    with start(tmp_path, "trap 'exit 7' TERM; echo set; while :; do sleep 0.05; done") as process:
        process.wait_for_line("set", limit=30)
        freeze(process)
        assert process.stop(5).exit_code == 7


def test_a_frozen_process_does_nothing_until_it_is_resumed(tmp_path: Path) -> None:
    with start(tmp_path, "while :; do echo tick; sleep 0.1; done") as process:
        process.wait_for_line("tick", limit=30)
        freeze(process)
        before = len(process.lines())
        with pytest.raises(WaitTimeout):  # what was printed may still arrive
            wait_until(lambda: len(process.lines()) > before + 3, limit=1, what="more ticks")
        before = len(process.lines())
        resume(process)
        wait_until(lambda: len(process.lines()) > before, limit=30, what="another tick")


def test_children_end_with_their_parent(tmp_path: Path, runs: Runs) -> None:
    with start(tmp_path, "sleep 60 & echo child $!; wait") as process:
        child = int(process.wait_for_line(r"child (\d+)", limit=30)[1])
        process.signal(signal.SIGKILL)  # to the parent only
        process.wait(5)
        wait_until(lambda: not runs(child), limit=30, what="the child to end")


def test_a_signal_after_the_end_goes_nowhere(tmp_path: Path) -> None:
    with start(tmp_path, "exit 0") as process:
        process.wait(5)
        process.signal(signal.SIGTERM)
        freeze(process)
        process.kill()
    assert process.stop().exit_code == 0


def test_a_program_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ProgramMissing, match="cannot start ghost"):
        ManagedProcess([tmp_path / "no-such-program"], name="ghost", log_folder=tmp_path)


def test_a_killed_owner_leaves_no_process(tmp_path: Path, owner: Owner, runs: Runs) -> None:
    program = """
        import signal, sys
        from pathlib import Path
        from natsgen.harness.processes import ManagedProcess

        script = "trap '' TERM; sleep 60 & echo $!; wait"
        process = ManagedProcess(["sh", "-c", script], name="program", log_folder=Path(sys.argv[1]))
        print(process.pid, process.wait_for_line("[0-9]+", limit=30)[0], flush=True)
        signal.pause()
    """
    process, line = owner(program, tmp_path)
    pids = [int(pid) for pid in line.split()]
    assert [runs(pid) for pid in pids] == [True, True]
    process.kill()
    wait_until(lambda: not any(map(runs, pids)), limit=30, what="the orphans to be killed")


def test_an_owner_that_forgets_to_stop_leaves_no_process(tmp_path: Path, owner: Owner, runs: Runs) -> None:
    program = """
        import sys
        from pathlib import Path
        from natsgen.harness.processes import ManagedProcess

        print(ManagedProcess(["sleep", "60"], name="program", log_folder=Path(sys.argv[1])).pid)
    """
    _, line = owner(program, tmp_path)
    wait_until(lambda: not runs(int(line)), limit=30, what="the orphan to be killed")
