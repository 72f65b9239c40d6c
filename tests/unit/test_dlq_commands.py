"""What `natsgen dlq` refuses before it connects, and what it asks."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from natsgen.cli import dlq_options, main, output
from natsgen.errors import StoppedError

NOWHERE = ("--server", "nats://127.0.0.1:1")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("replay",), "specify IDs, a filter such as --service, or --all"),
        (("replay", "--all", "7"), "--all cannot be combined with IDs or filters"),
        (("purge", "--all", "--service", "x", "--yes"), "--all cannot be combined with IDs or filters"),
        (("purge", "--all"), "refusing to delete dead letters without confirmation; pass --yes"),
        (("replay", "x"), "'ID'"),
        (("replay", "0"), "'ID'"),
        (("replay", "--all", "--rate", "0"), "'--rate'"),
        (("replay", "--all", "--rate", "nan"), "--rate"),
        (("replay", "--all", "--to-subject", "a.*"), "--to-subject: invalid subject 'a.*'"),
        (("list", "--service", "a.b"), "--service: invalid name 'a.b'"),
        (("purge", "--reason", "exausted", "--yes"), "--reason: invalid reason 'exausted'"),
        (("list", "--since", "1h", "--until", "2h"), "--since 1h is later than --until 2h"),
        (("list", "--since", "soon"), "--since: invalid time 'soon'"),
        (("show", "1", "--raw", "--json"), "specify --raw or --json, not both"),
        (("export", "--json"), "--json needs --output FILE"),
        (("list", "--server", "http://x"), "--server: invalid address"),
    ],
)
def test_wrong_usage_is_one_message(capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], said: str) -> None:
    assert main(["dlq", *arguments, *(() if "--server" in arguments else NOWHERE)]) == 2
    assert said in capsys.readouterr().err


def test_an_import_is_checked_before_it_connects(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "x.jsonl").write_text("{}\n")
    assert main(["dlq", "import", str(tmp_path / "x.jsonl"), *NOWHERE, "--json"]) == 2
    captured = capsys.readouterr()
    assert "x.jsonl, line 1: invalid record: use an object with" in captured.err
    assert json.loads(captured.out)["error"]["type"] == "InputError"


def test_a_server_that_is_not_there_is_one_message(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["dlq", "list", *NOWHERE, "--json"]) == 1
    captured = capsys.readouterr()
    assert "NATS at 127.0.0.1:1 cannot be reached: Connection refused" in captured.err
    assert json.loads(captured.out)["error"]["exit_code"] == 1


@pytest.mark.parametrize("answer", ["", "no", "n", "what?"])
def test_only_a_yes_is_a_yes(monkeypatch: pytest.MonkeyPatch, answer: str) -> None:
    monkeypatch.setattr(output, "ask", lambda *_: answer)
    with pytest.raises(StoppedError, match="nothing was changed"):
        dlq_options.confirm(["1"], "Delete?")
    monkeypatch.setattr(output, "ask", lambda *_: "Y")
    dlq_options.confirm(["1"], "Delete?")


def test_help_imports_no_client(environment: dict[str, str]) -> None:
    script = (
        "import sys; from natsgen.cli import main; main(['dlq', 'list', '--help']);"
        "print([name for name in ('nats', 'asyncio', 'dotenv', 'rich', 'natsgen.dlq') if name in sys.modules])"
    )
    process = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, timeout=30
    )
    assert process.stdout.splitlines()[-1] == "[]"
