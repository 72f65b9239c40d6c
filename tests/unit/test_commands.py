"""The list of commands, which knows of each only what for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from typer.main import get_command

from natsgen import cli
from natsgen.cli import commands


@pytest.mark.parametrize("name", commands.COMMANDS)
def test_the_purpose_is_the_first_line_of_the_help(name: str) -> None:
    listed = get_command(cli.app).commands[name]  # type: ignore[attr-defined]
    command = commands.load(name)
    assert command.name == name
    assert listed.get_short_help_str(500) == command.get_short_help_str(500)


def test_a_group_has_its_commands() -> None:
    assert set(commands.load("new").commands) == {"worker", "service", "gateway", "publisher", "subscriber"}
    assert {"list", "show", "replay", "purge", "export", "import"} <= set(commands.load("dlq").commands)


def commands_in(command: Any) -> Iterator[Any]:
    """The command and those in it."""
    yield command
    for inner in getattr(command, "commands", {}).values():
        yield from commands_in(inner)


def test_the_help_begins_with_new_and_is_grouped(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--help"]) == 0
    lines = capsys.readouterr().out.splitlines()
    headings = [f"{group}:" for group in commands.GROUPS]
    assert [line for line in lines if line in headings] == headings
    assert lines[lines.index("Create:") + 1].split()[0] == "new"


@pytest.mark.parametrize("name", commands.COMMANDS)
def test_help_fits_80_columns_and_names_no_type_of_python(name: str) -> None:
    for command in commands_in(commands.load(name)):
        with command.make_context(name, [], resilient_parsing=True) as context:
            text = context.get_help()
        assert [line for line in text.splitlines() if len(line) > 80] == []
        assert "<str" not in text
        assert "<list" not in text


def test_only_the_main_command_offers_to_install_completion() -> None:
    for name in commands.COMMANDS:
        assert "install_completion" not in [parameter.name for parameter in commands.load(name).params]
