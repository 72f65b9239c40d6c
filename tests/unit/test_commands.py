"""The list of commands, which knows of each only what for."""

from __future__ import annotations

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
    assert set(commands.load("new").commands) == {"worker", "service", "gateway"}
    assert {"list", "show", "replay", "purge", "export", "import"} <= set(commands.load("dlq").commands)


def test_only_the_main_command_offers_to_install_completion() -> None:
    for name in commands.COMMANDS:
        assert "install_completion" not in [parameter.name for parameter in commands.load(name).params]
