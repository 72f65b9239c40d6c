"""The table of commands: names and summaries are known in advance, and a command is loaded only when it is needed.

Importing and building all commands would take longer than everything else that `natsgen --help` does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from functools import cache
from importlib import import_module
from inspect import Parameter, Signature, signature
from typing import Any, get_type_hints

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_group

from natsgen.cli import output, speed
from natsgen.errors import WRONG_INPUT

REQUIRED = Parameter.empty
"""The default of a required parameter."""

_ANY_LENGTH = 1_000  # characters of a summary, so that none is truncated

COMMANDS: Mapping[str, tuple[str, str]] = {
    "new": ("new:app", "Create a service."),
    "init": ("init:init", "Write natsgen.toml and complete .gitignore."),
    "questions": ("questions:questions", "List the questions that natsgen new asks."),
    "adopt": ("adopt:adopt", "Bring an existing worker under natsgen management."),
    "add-handler": ("parts:add_handler", "Add a handler and its test to a service."),
    "remove-handler": ("parts:remove_handler", "Remove a handler and its test from a service."),
    "add-action": ("parts:add_action", "Add an action and its test to a service."),
    "remove-action": ("parts:remove_action", "Remove an action and its test from a service."),
    "add-route": ("parts:add_route", "Add a route and its test to a gateway."),
    "remove-route": ("parts:remove_route", "Remove a route and its test from a gateway."),
    "add-publisher": ("parts:add_publisher", "Add a publisher and its test to a service."),
    "remove-publisher": ("parts:remove_publisher", "Remove a publisher and its test from a service."),
    "add-subscriber": ("parts:add_subscriber", "Add a subscriber of core NATS, and its test, to a service."),
    "remove-subscriber": ("parts:remove_subscriber", "Remove a subscriber and its test from a service."),
    "add-task": ("parts:add_task", "Add a task and its test to a service."),
    "remove-task": ("parts:remove_task", "Remove a task and its test from a service."),
    "add-extra": ("extras:add_extra", "Add extras to a service."),
    "remove-extra": ("extras:remove_extra", "Remove extras from a service."),
    "add-deploy": ("extras:add_deploy", "Add deployment files to a service, in services/SERVICE/deploy/."),
    "remove-deploy": ("extras:remove_deploy", "Remove deployment files from a service."),
    "list": ("look:list_services", "List the services and their parts."),
    "show": ("look:show", "Show one service in full."),
    "map": ("contracts:map_services", "Show which service sends what to which, and what does not fit together."),
    "asyncapi": ("contracts:asyncapi", "Describe services in an AsyncAPI document."),
    "check": ("check:check", "Check that services are up to date and unmodified."),
    "diff": ("check:diff", "Show how a service differs from its template."),
    "extras": ("extras:extras", "List the extras, and which of them a service has."),
    "dev": ("dev:dev", "Run NATS and the services of the workspace, with reload and a page."),
    "publish": ("dev_messages:publish", "Publish an event to a handler, checked against its model."),
    "call": ("dev_messages:call", "Call an action and print its reply."),
    "tail": ("dev_messages:tail", "Show messages as they are published, until Ctrl-C."),
    "replay-trace": ("dev_messages:replay_trace", "Republish the messages that started a trace, as a new trace."),
    "dlq": ("dlq:app", "Read, replay, purge, export and import dead letters."),
    "update": ("update:update", "Update services to a newer template."),
    "answers": ("answers:answers", "Show or change the answers that a service was created with."),
    "accept": ("accept:accept", "Accept your changes to files that the template owns."),
    "repair": ("repair:repair", "Repair the packages of a service after a git merge."),
    "lock": ("lock:lock", "Pin the dependencies of a service."),
    "smoke": ("smoke:smoke", "Create every kind of service and run each for real."),
}
"""Module and function of each command, or of the Typer app of a group, and the first line of its help.

The order follows `GROUPS`. A test compares the lines of help.
"""

GROUPS = {"Create": "new", "Grow": "add-handler", "Inspect": "list", "Operate": "dev", "Maintain": "update"}
"""The first command under each heading of the help."""


class Command(TyperCommand):
    """A command whose help shows no Python types."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Return the words of the usage line, such as `SERVICE`."""
        return [piece.replace("{", "").replace("}", "") for piece in super().collect_usage_pieces(ctx)]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the arguments and options with their help."""
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
    """A group whose help shows the whole summary of each command."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the commands."""
        self._write(formatter, "Commands", list(self.commands))

    def _write(self, formatter: Any, title: str, names: Sequence[str]) -> None:
        with formatter.section(title):
            formatter.write_dl([(name, self.commands[name].get_short_help_str(_ANY_LENGTH)) for name in names])


class Commands(Group):
    """The group of all commands, with only their names and summaries."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        for name, (_, purpose) in COMMANDS.items():
            self.add_command(TyperCommand(name, help=purpose))

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the commands under their headings."""
        names = list(COMMANDS)
        starts = [names.index(first) for first in GROUPS.values()]
        for title, start, end in zip(GROUPS, starts, [*starts[1:], len(names)], strict=True):
            self._write(formatter, title, names[start:end])

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """Return the loaded command that the arguments name, to run or complete it."""
        name, command, rest = super().resolve_command(ctx, args)
        return name, command if name is None else load(name), rest


@cache
def load(name: str) -> Any:
    """Load a command of `COMMANDS`, as Typer builds it."""
    module, _, attribute = COMMANDS[name][0].partition(":")
    found = getattr(import_module(f"natsgen.cli.{module}"), attribute)
    holder = typer.Typer(rich_markup_mode=None)
    if isinstance(found, typer.Typer):
        holder.add_typer(found, name=name)
    else:
        add(holder, name, found)
    command = get_group(holder).commands[name]
    speed.skip_conversion(command)
    return command


def group(purpose: str, commands: Mapping[str, Callable[..., None]]) -> typer.Typer:
    """Return a group of commands from functions by name."""
    app = typer.Typer(cls=Group)

    @app.callback(invoke_without_command=True, help=purpose)
    def show(context: typer.Context) -> None:
        if context.invoked_subcommand is None:
            show_help(context)

    for name, function in commands.items():
        add(app, name, function)
    return app


def add(app: typer.Typer, name: str, function: Callable[..., None]) -> None:
    """Add a command.

    Args:
        app: the group.
        name: the name of the command.
        function: called with the arguments and options. Each field of a parameter that is a dataclass becomes an
            argument or option.
    """
    groups: dict[str, type] = {}
    parameters: dict[str, tuple[Any, Any]] = {}
    hints = get_type_hints(function, include_extras=True)
    for one in signature(function).parameters.values():
        kind = hints[one.name]
        if not is_dataclass(kind):
            parameters[one.name] = (kind, one.default)
            continue
        assert isinstance(kind, type)
        groups[one.name] = kind
        of_fields = get_type_hints(kind, include_extras=True)
        for field in fields(kind):
            parameters[field.name] = (of_fields[field.name], field.default)

    def command(**given: Any) -> None:
        for parameter, kind in groups.items():
            given[parameter] = kind(**{field.name: given.pop(field.name) for field in fields(kind)})
        function(**given)

    app.command(name, cls=Command, help=function.__doc__)(with_parameters(command, parameters))


def with_parameters(function: Callable[..., None], parameters: Mapping[str, tuple[Any, Any]]) -> Callable[..., None]:
    """Give a function the parameters that Typer inspects, as types and defaults by name, and return it."""
    found = [
        Parameter(name, Parameter.KEYWORD_ONLY, annotation=annotation, default=default)
        for name, (annotation, default) in parameters.items()
    ]
    function.__signature__ = Signature(found)  # type: ignore[attr-defined]
    function.__annotations__ = {name: annotation for name, (annotation, _) in parameters.items()}
    return function


def show_help(context: typer.Context) -> None:
    """Show the help of a group that was called without a command, which is invalid usage."""
    output.note(context.get_help())
    raise typer.Exit(WRONG_INPUT)
