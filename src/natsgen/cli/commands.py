"""The commands by name: what each is for is known at once, all the rest of it is loaded when it is wanted.

To import and build them all would take longer than anything else that `natsgen --help` does, and a person wants one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_group

from natsgen.cli import output, speed
from natsgen.errors import WRONG_INPUT

_ANY_LENGTH = 1_000  # characters of a purpose, none of which is cut


@dataclass(frozen=True)
class Listed:
    """A command as a list of commands shows it.

    Attributes:
        module: where it is.
        attribute: what it is there: a function, or the Typer app of a group.
        purpose: the first line of its help, which a test compares.
    """

    module: str
    attribute: str
    purpose: str


COMMANDS: Mapping[str, Listed] = {
    "new": Listed("natsgen.cli.new", "app", "Create a service."),
    "init": Listed("natsgen.cli.init", "init", "Write natsgen.toml and complete .gitignore."),
    "adopt": Listed("natsgen.cli.adopt", "adopt", "Bring an existing worker under natsgen management."),
    "add-handler": Listed("natsgen.cli.parts.add", "add_handler", "Add a handler and its test to a service."),
    "remove-handler": Listed(
        "natsgen.cli.parts.remove", "remove_handler", "Remove a handler and its test from a service."
    ),
    "add-action": Listed("natsgen.cli.parts.add", "add_action", "Add an action and its test to a service."),
    "remove-action": Listed(
        "natsgen.cli.parts.remove", "remove_action", "Remove an action and its test from a service."
    ),
    "add-route": Listed("natsgen.cli.parts.add", "add_route", "Add a route and its test to a gateway."),
    "remove-route": Listed("natsgen.cli.parts.remove", "remove_route", "Remove a route and its test from a gateway."),
    "add-publisher": Listed("natsgen.cli.parts.add", "add_publisher", "Add a publisher and its test to a service."),
    "remove-publisher": Listed(
        "natsgen.cli.parts.remove", "remove_publisher", "Remove a publisher and its test from a service."
    ),
    "add-subscriber": Listed(
        "natsgen.cli.parts.add", "add_subscriber", "Add a subscriber of core NATS, and its test, to a service."
    ),
    "remove-subscriber": Listed(
        "natsgen.cli.parts.remove", "remove_subscriber", "Remove a subscriber and its test from a service."
    ),
    "add-task": Listed("natsgen.cli.parts.add", "add_task", "Add a task and its test to a service."),
    "remove-task": Listed("natsgen.cli.parts.remove", "remove_task", "Remove a task and its test from a service."),
    "add-extra": Listed("natsgen.cli.extras", "add_extra", "Add extras to a service."),
    "remove-extra": Listed("natsgen.cli.extras", "remove_extra", "Remove extras from a service."),
    "list": Listed("natsgen.cli.look", "list_services", "List the services and their parts."),
    "show": Listed("natsgen.cli.look", "show", "Show one service in full."),
    "check": Listed("natsgen.cli.check", "check", "Check that services are up to date and unmodified."),
    "diff": Listed("natsgen.cli.check", "diff", "Show how a service differs from its template."),
    "extras": Listed("natsgen.cli.extras", "extras", "List the extras, and which of them a service has."),
    "dev": Listed("natsgen.cli.dev", "dev", "Run NATS and the services of the workspace, with reload and a page."),
    "publish": Listed(
        "natsgen.cli.dev_messages", "publish", "Publish an event to a handler, checked against its model."
    ),
    "call": Listed(
        "natsgen.cli.dev_messages", "call", "Call an action and print its answer; exit with 1 for an error."
    ),
    "tail": Listed("natsgen.cli.dev_messages", "tail", "Show messages as they are published, until Ctrl-C."),
    "replay-trace": Listed(
        "natsgen.cli.dev_messages",
        "replay_trace",
        "Publish the messages that started a chain once more, as a new chain.",
    ),
    "dlq": Listed("natsgen.cli.dlq", "app", "Read, replay, purge, export and import dead letters."),
    "update": Listed("natsgen.cli.update", "update", "Update services to a newer template."),
    "answers": Listed("natsgen.cli.answers", "answers", "Show or change the answers that a service was created with."),
    "accept": Listed("natsgen.cli.accept", "accept", "Accept your changes to files that the template owns."),
    "repair": Listed("natsgen.cli.repair", "repair", "Repair the packages of a service after a git merge."),
    "lock": Listed("natsgen.cli.lock", "lock", "Pin the dependencies of a service."),
    "smoke": Listed("natsgen.cli.smoke", "smoke", "Create every kind of service and run each for real."),
}
"""In the order of `GROUPS`."""

GROUPS = {"Create": "new", "Grow": "add-handler", "Inspect": "list", "Operate": "dev", "Maintain": "update"}
"""The first command under each heading of the help."""


class Command(TyperCommand):
    """A command whose help has no Python types."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Return the words of the usage line, such as `SERVICE`."""
        return [piece.strip("{}") for piece in super().collect_usage_pieces(ctx)]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the arguments and options, each with what it is for."""
        rows: dict[str, list[tuple[str, str]]] = {"argument": [], "option": []}
        for parameter in self.get_params(ctx):
            if record := parameter.get_help_record(ctx):
                name = record[0].partition(" <")[0] if parameter.param_type_name == "argument" else record[0]
                rows[parameter.param_type_name].append((name, record[1]))
        for kind, found in rows.items():
            if found:
                with formatter.section(f"{kind.capitalize()}s"):
                    formatter.write_dl(found)


class Group(TyperGroup):
    """A group of commands whose help has the whole purpose of each."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the commands."""
        self._write(formatter, "Commands", list(self.commands))

    def _write(self, formatter: Any, title: str, names: Sequence[str]) -> None:
        with formatter.section(title):
            formatter.write_dl([(name, self.commands[name].get_short_help_str(_ANY_LENGTH)) for name in names])


class Commands(Group):
    """The group of all commands, which holds of each only its name and purpose."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        for name, listed in COMMANDS.items():
            self.add_command(TyperCommand(name, help=listed.purpose))

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the commands under their headings."""
        names = list(COMMANDS)
        starts = [names.index(first) for first in GROUPS.values()]
        for title, start, end in zip(GROUPS, starts, [*starts[1:], len(names)], strict=True):
            self._write(formatter, title, names[start:end])

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """Return the command that the arguments name, in full, because it is about to be run or completed."""
        name, command, rest = super().resolve_command(ctx, args)
        return name, command if name is None else load(name), rest


def load(name: str) -> Any:
    """Return the command of that name in full, as Typer builds it: one of `COMMANDS`."""
    listed = COMMANDS[name]
    found = getattr(import_module(listed.module), listed.attribute)
    holder = typer.Typer(rich_markup_mode=None)
    if isinstance(found, typer.Typer):
        holder.add_typer(found, name=name)
    else:
        holder.command(name, cls=Command)(found)
    command = get_group(holder).commands[name]
    speed.take_as_typed(command)
    return command


def show_help(context: typer.Context) -> None:
    """Shows the help of a group that was called without a command, which is wrong usage."""
    output.note(context.get_help())
    raise typer.Exit(WRONG_INPUT)
