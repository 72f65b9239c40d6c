"""`make demo` tells the truth, says so when it does not, and leaves nothing behind."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from natsgen.harness.waiting import wait_until
from scripts import demo

DEMO = [sys.executable, "-m", "scripts.demo"]
FIRST_RUN_SECONDS = 240
"""The worker's requirements may have to be installed; without that, the demo takes a few seconds."""
GONE_SECONDS = 15


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that the demo makes its temporary folder in."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    return folder


def test_it_shows_a_worker_from_the_first_line_to_the_clean_shutdown(temporary: Path) -> None:
    completed = subprocess.run(DEMO, capture_output=True, text=True, timeout=FIRST_RUN_SECONDS)

    assert completed.returncode == 0, completed.stdout + completed.stderr
    story, _, summary = completed.stdout.partition("What was shown")
    for shown in (
        "$ natsgen new worker billing --subject orders.order.created",
        '"message":"event handled"',
        '"message":"dead letter"',
        "Dlq-Reason: invalid",
        '{"ready":true,"reason":"consuming"}',
        'worker_messages_handled_total{handler="order_created"} 19.0',
        "exit code 0 after",
    ):
        assert shown in story
    for fact in (
        "confirmed 20 messages",
        "each of the 19 events was handled once",
        "in the stream DLQ, byte for byte, with the reason `invalid`",
        "20 received, 19 handled, 1 dead letter",
        "/metrics agrees with /stats",
        "nothing pending and nothing unacknowledged",
        "ended by itself with exit code 0",
    ):
        assert fact in summary
    assert "   NO   " not in summary
    assert "\x1b" not in completed.stdout, "colour is for terminals"
    assert completed.stderr == ""
    assert list(temporary.glob("natsgen-*")) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupting_it_leaves_nothing_behind(temporary: Path, number: signal.Signals) -> None:
    process = subprocess.Popen(DEMO, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        for line in process.stdout:
            if '"ready":true' in line:
                break
        started = descendants(process.pid)
        process.send_signal(number)
        _, errors = process.communicate(timeout=GONE_SECONDS)
    finally:
        process.kill()
        process.communicate()

    assert len(started) >= 2, "the NATS server and the worker were running"
    # Python ends itself by SIGINT where that came amid code that it had made from text; to a shell both are 130
    assert process.returncode in (130, -signal.SIGINT)
    assert "interrupted" in errors
    wait_until(lambda: not started & running().keys(), limit=GONE_SECONDS, what="what was started to be gone")
    assert list(temporary.glob("natsgen-*")) == []


def test_what_was_not_found_so_is_said_and_is_the_exit_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def tell(story: demo.Screen) -> None:
        story.check("it is green", holds=True, found="green")
        story.check("it is round", holds=False, found="square")

    monkeypatch.setattr(demo, "_tell", tell)
    monkeypatch.setattr(signal, "signal", lambda *_: None)  # this process keeps its own handlers

    assert demo.main() == 1
    printed = capsys.readouterr()
    assert "yes  it is green" in printed.out
    assert "NO   it is round; found: square" in printed.out
    assert "Next:" not in printed.out
    assert "not go as promised" in printed.err


def test_colour_is_only_for_terminals_that_want_it(monkeypatch: pytest.MonkeyPatch) -> None:
    master, terminal = os.openpty()
    with os.fdopen(terminal, "w") as stdout, os.fdopen(master):
        monkeypatch.setattr(sys, "stdout", stdout)
        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.delenv("NO_COLOR", raising=False)
        assert demo.takes_colour()
        monkeypatch.setenv("NO_COLOR", "1")
        assert not demo.takes_colour()


def running() -> dict[int, int]:
    """The processes of this machine by their id, each with its parent's; those that ended and wait to be reaped do not
    count. From /proc, because a small machine has no `ps`."""
    found = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            state, parent = stat.read_text().rpartition(")")[2].split()[:2]  # a program's name may hold anything
            if state != "Z":
                found[int(stat.parent.name)] = int(parent)
    return found


def descendants(pid: int) -> set[int]:
    parents = running()
    found = {pid}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found - {pid}
