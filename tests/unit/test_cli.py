"""How commands end: exit codes, one line instead of a traceback, and what an import costs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import natsgen
from natsgen.cli import main, speed
from natsgen.services import create

Run = Callable[..., subprocess.CompletedProcess[str]]
WORKER = ["new", "worker", "billing", "--subject", "orders.order.created"]


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_the_version_is_on_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"natsgen {natsgen.__version__}\n"


@pytest.mark.parametrize("command", [["--help"], ["-h"], ["new", "--help"], ["new", "worker", "--help"]])
def test_help_is_on_standard_output(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(command) == 0
    captured = capsys.readouterr()
    assert captured.out.startswith("Usage: natsgen ")
    assert captured.err == ""


@pytest.mark.parametrize("command", [[], ["new"]])
def test_a_group_without_a_command_is_wrong_usage_and_shows_the_help(
    command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(command) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("Usage: natsgen ")


@pytest.mark.parametrize(
    ("command", "usage"),
    [
        ("show", "natsgen show [OPTIONS] SERVICE"),
        ("add-extra", "natsgen add-extra [OPTIONS] SERVICE NAME..."),
        ("accept", "natsgen accept [OPTIONS] SERVICE [PATH]..."),
        ("dev", "natsgen dev [OPTIONS] [SERVICE]..."),
    ],
)
def test_the_usage_line_shows_what_is_optional_and_what_repeats(
    command: str, usage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([command, "--help"]) == 0
    assert capsys.readouterr().out.splitlines()[0] == f"Usage: {usage}"


def test_help_imports_nothing_that_takes_long(environment: dict[str, str]) -> None:
    script = (
        "import sys; from natsgen.cli import main; main(['new', 'worker', '--help']); main(['--help']);"
        "print([name for name in ('copier', 'nats', 'pydantic', 'yaml', 'rich', 'jinja2') if name in sys.modules])"
    )
    command = [sys.executable, "-c", script]
    process = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=30)
    assert process.stdout.splitlines()[-1] == "[]"


def test_the_end_of_the_process_does_not_wait_for_garbage(environment: dict[str, str]) -> None:
    script = (
        "import atexit, gc; atexit.register(lambda: print(gc.get_threshold()[0], gc.get_freeze_count() > 1000));"
        "from natsgen.cli import main; main(['--version'])"
    )
    command = [sys.executable, "-c", script]
    process = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=30)
    assert process.stdout.splitlines()[-1] == f"{speed.THRESHOLD} True"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["wroker"], "No such command 'wroker'"),
        (["new", "wroker"], "No such command 'wroker'"),
        (["--nonsense"], "No such option"),
        (["new", "worker", "--subjct", "a.b"], "No such option"),
        (["new", "worker", "a", "b"], "unexpected extra argument"),
        (["new", "worker", "--subject"], "requires an argument"),
    ],
)
def test_wrong_usage_is_one_line_that_names_the_help(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("natsgen: ")
    assert message in line
    assert "--help)" in line


def test_with_json_wrong_usage_is_a_document_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["new", "worker", "--json", "--nonsense"]) == 2
    error = json.loads(capsys.readouterr().out)["error"]
    assert (error["type"], error["exit_code"]) == ("UsageError", 2)


def test_an_unexpected_exception_is_one_line_that_says_how_to_see_more(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(create, "new_service", lambda *_, **__: 1 / 0)
    assert main(WORKER) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("natsgen: this is a bug in natsgen")
    assert "ZeroDivisionError: division by zero (set NATSGEN_TRACEBACK=1" in line
    monkeypatch.setenv("NATSGEN_TRACEBACK", "1")
    assert main(WORKER) == 1
    assert "Traceback (most recent call last)" in capsys.readouterr().err


def test_ctrl_c_is_130(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(create, "new_service", interrupt)
    assert main([*WORKER, "--json"]) == 130
    captured = capsys.readouterr()
    assert captured.err == "natsgen: interrupted\n"
    assert json.loads(captured.out)["error"]["exit_code"] == 130


def test_sigterm_ends_like_ctrl_c(monkeypatch: pytest.MonkeyPatch) -> None:
    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(create, "new_service", lambda *_, **__: os.kill(os.getpid(), signal.SIGTERM))
    try:
        assert main(WORKER) == 130
    finally:
        signal.signal(signal.SIGTERM, before)


def test_control_characters_in_what_was_typed_do_not_reach_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--\x1b[31m\n\u202e"]) == 2
    err = capsys.readouterr().err
    assert r"\x1b[31m" in err
    assert err.removesuffix("\n").isprintable()


def test_a_reader_that_has_seen_enough_is_no_error(environment: dict[str, str], tmp_path: Path) -> None:
    command = f"{sys.executable} -m natsgen {' '.join(WORKER)} --dry-run; echo exit $? >&2"
    process = subprocess.run(
        ["sh", "-c", f"({command}) | true"], env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=30
    )
    assert "exit 0" in process.stderr
    assert "Traceback" not in process.stderr
    assert "Broken" not in process.stderr


def test_a_full_disk_behind_standard_output_is_one_line(environment: dict[str, str], tmp_path: Path) -> None:
    with Path("/dev/full").open("w") as full:
        process = subprocess.run(
            [sys.executable, "-m", "natsgen", "--version"],
            env=environment, cwd=tmp_path, stdout=full, stderr=subprocess.PIPE, text=True, timeout=30,
        )  # fmt: skip
    assert process.returncode == 1
    assert process.stderr == "natsgen: No space left on device: standard output\n"


def test_it_works_without_standard_streams(environment: dict[str, str], tmp_path: Path) -> None:
    command = f"exec {sys.executable} -m natsgen {' '.join(WORKER)} <&- >&- 2>&-"
    process = subprocess.run(["sh", "-c", command], env=environment, cwd=tmp_path, timeout=30)
    assert process.returncode == 0
    assert (tmp_path / "services" / "billing").is_dir()


def test_a_terminal_without_unicode_gets_escapes(natsgen_process: Run, tmp_path: Path) -> None:
    folder = tmp_path / "größe"
    folder.mkdir()
    process = natsgen_process(*WORKER, cwd=folder, PYTHONIOENCODING="ascii")
    assert process.returncode == 0
    assert r"gr\xf6\xdfe" in process.stdout
