"""The commands by name: what each is for is known at once, all the rest of it is loaded when it is wanted.

To import and build them all would take longer than anything else that `natsgen --help` does, and a person wants one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_group

from natsgen.cli import output, values
from natsgen.errors import WRONG_INPUT


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
    "add-handler": Listed("natsgen.cli.handlers", "add_handler", "Add a handler and its test to a service."),
    "remove-handler": Listed("natsgen.cli.handlers", "remove_handler", "Remove a handler and its test from a service."),
    "add-action": Listed("natsgen.cli.actions", "add_action", "Add an action and its test to a service."),
    "remove-action": Listed("natsgen.cli.actions", "remove_action", "Remove an action and its test from a service."),
    "add-route": Listed("natsgen.cli.routes", "add_route", "Add a route and its test to a gateway."),
    "remove-route": Listed("natsgen.cli.routes", "remove_route", "Remove a route and its test from a gateway."),
    "add-publisher": Listed("natsgen.cli.pubsub", "add_publisher", "Add a publisher and its test to a service."),
    "remove-publisher": Listed(
        "natsgen.cli.pubsub", "remove_publisher", "Remove a publisher and its test from a service."
    ),
    "add-subscriber": Listed(
        "natsgen.cli.pubsub", "add_subscriber", "Add a subscriber of core NATS, and its test, to a service."
    ),
    "remove-subscriber": Listed(
        "natsgen.cli.pubsub", "remove_subscriber", "Remove a subscriber and its test from a service."
    ),
    "add-task": Listed("natsgen.cli.tasks", "add_task", "Add a task and its test to a service."),
    "remove-task": Listed("natsgen.cli.tasks", "remove_task", "Remove a task and its test from a service."),
    "add-extra": Listed(
        "natsgen.cli.extras", "add_extra", "Add extras to a service, with the packages that they need."
    ),
    "remove-extra": Listed(
        "natsgen.cli.extras", "remove_extra", "Remove extras from a service, with the packages that only they needed."
    ),
    "extras": Listed("natsgen.cli.extras", "extras", "List the extras that a service may have, and which it has."),
    "list": Listed("natsgen.cli.look", "list_services", "List the services and what is in them."),
    "show": Listed("natsgen.cli.look", "show", "Show one service in full."),
    "update": Listed("natsgen.cli.update", "update", "Update services to a newer template."),
    "check": Listed("natsgen.cli.check", "check", "Check that services are current and as their template makes them."),
    "repair": Listed("natsgen.cli.repair", "repair", "Mend the packages of a service after a merge of branches."),
    "accept": Listed("natsgen.cli.accept", "accept", "Accept the changes that you made to files of the template."),
    "lock": Listed("natsgen.cli.lock", "lock", "Pin the dependencies of a service after a change of pyproject.toml."),
    "diff": Listed("natsgen.cli.check", "diff", "Show what was changed in the template's files of a service."),
    "answers": Listed(
        "natsgen.cli.answers", "answers", "Show the answers that a service was made with, or change some."
    ),
    "adopt": Listed("natsgen.cli.adopt", "adopt", "Bring a hand-written worker under natsgen's care."),
    "init": Listed("natsgen.cli.init", "init", "Write natsgen.toml and complete .gitignore."),
    "new": Listed("natsgen.cli.new", "app", "Make a new service."),
    "dev": Listed("natsgen.cli.dev", "dev", "Run NATS and the services of the workspace, with reload."),
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
    "smoke": Listed("natsgen.cli.smoke", "smoke", "Make every kind of service and run each for real."),
    "dlq": Listed("natsgen.cli.dlq", "app", "Read, replay, purge and move dead letters."),
}


class Commands(TyperGroup):
    """The group of all commands, which holds of each only its name and purpose."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        for name, listed in COMMANDS.items():
            self.add_command(TyperCommand(name, help=listed.purpose))

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """The command that the arguments name, in full, because it is about to be run or completed."""
        name, command, rest = super().resolve_command(ctx, args)
        return name, command if name is None else load(name), rest


def load(name: str) -> Any:
    """The command of that name in full, as Typer builds it: one of `COMMANDS`."""
    listed = COMMANDS[name]
    found = getattr(import_module(listed.module), listed.attribute)
    holder = typer.Typer(rich_markup_mode=None)
    if isinstance(found, typer.Typer):
        holder.add_typer(found, name=name)
    else:
        holder.command(name)(found)
    command = get_group(holder).commands[name]
    values.take_as_typed(command)
    return command


def show_help(context: typer.Context) -> None:
    """Shows the help of a group that was called without a command, which is wrong usage."""
    output.note(context.get_help())
    raise typer.Exit(WRONG_INPUT)
