"""The one terminal in which all services log."""

from __future__ import annotations

import json

import pytest

from natsgen.cli import output
from natsgen.dev.console import Console, record_of

LINE = json.dumps(
    {"level": "ERROR", "message": "handler failed", "service": "b", "event_id": "e 1", "exception": "Stack"}
)


def test_lines_are_coloured_by_service_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(output, "is_shown", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    console = Console(as_json=False)
    console.add(["billing", "b"])
    console.show("b", LINE, record_of(LINE))
    console.show("billing", "no record \x1b[2J", None)
    first, stack, other = capsys.readouterr().out.splitlines()
    assert (
        first == '         \x1b[33mb      \x1b[0m \x1b[31merror    handler failed\x1b[0m  \x1b[2mevent_id="e 1"\x1b[0m'
    )
    assert stack.endswith("\x1b[33mb      \x1b[0m Stack")
    assert "\x1b[36mbilling\x1b[0m no record" in other
    assert "\x1b[2J" not in other


def test_elsewhere_they_are_plain_or_json(capsys: pytest.CaptureFixture[str]) -> None:
    plain, as_json = Console(as_json=False), Console(as_json=True)
    plain.show("b", LINE, record_of(LINE))
    assert "\x1b" not in capsys.readouterr().out
    as_json.show("b", LINE, record_of(LINE))
    as_json.show("b", "no record", None)
    shown = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert shown == [json.loads(LINE), {"service": "b", "level": "INFO", "message": "no record"}]
