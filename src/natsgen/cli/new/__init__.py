"""`natsgen new`: what a person or a script says about a new service, and what they are told about it."""

from __future__ import annotations

from typing import Annotated

import typer

from natsgen.cli import commands, options
from natsgen.cli.new import help, missing, pubsub, run

app = typer.Typer(cls=commands.Group)


@app.callback(invoke_without_command=True)
def new(context: typer.Context) -> None:
    """Create a service."""
    if context.invoked_subcommand is None:
        commands.show_help(context)


@app.command("worker", cls=commands.Command, help=help.WORKER)
@app.command("service", cls=commands.Command, help=help.SERVICE)
@app.command("gateway", cls=commands.Command, help=help.GATEWAY)
def make(
    called: typer.Context,
    name: options.NewName = None,
    subject: Annotated[
        list[str] | None,
        typer.Option(metavar="SUBJECT", help="Subject of the events it handles, a handler each; may be repeated."),
    ] = None,
    action: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Action that it answers requests for; may be repeated."),
    ] = None,
    queue: Annotated[
        list[str] | None,
        typer.Option(
            metavar="QUEUE",
            help="Queue that it works off, by a task each; QUEUE=TASK names it; may be repeated.",
        ),
    ] = None,
    framework: Annotated[
        str | None,
        typer.Option(metavar="none|fastapi|django", help="Web framework, which makes it a gateway [default: none]"),
    ] = None,
    route: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ROUTE", help='Route of a gateway, such as "POST /greet=v1.greeter.greet"; may be repeated.'
        ),
    ] = None,
    version: Annotated[
        str | None,
        typer.Option(metavar="N", help="Version of the actions, in their subjects [default: 1]"),
    ] = None,
    context: options.Context = None,
    description: options.Description = None,
    template: options.Template = None,
    workspace: options.Workspace = None,
    envelope: options.Envelope = None,
    dedup: options.Dedup = None,
    extras: options.Extras = None,
    python: options.Python = None,
    image: options.Image = None,
    network: options.Network = None,
    registry: options.Registry = None,
    data: options.Data = None,
    data_file: options.DataFile = None,
    dry_run: options.DryRun = False,
    as_json: options.AsJson = False,
) -> None:
    """Makes the service; the command that was called says of which kind."""
    from functools import partial

    from natsgen.parts import actions, handlers, routes, tasks

    number = actions.ACTIONS.parse(version=version).get("version")
    parts: run.PartTexts = {
        "--subject": (handlers.from_subjects, subject),
        "--route": (routes.from_texts, route),
        "--queue": (tasks.from_texts, queue),
        "--action": (partial(actions.from_names, version=1 if number is None else number), action),
    }
    flags = {
        "service_name": name,
        "bounded_context": context,
        "description": description,
        "envelope": envelope,
        "python_version": python,
        "image": image,
        "dedup": dedup,
        "network": network,
        "registry": registry,
        "framework": framework,
    }
    said = run.Options(flags, data or [], data_file, template, workspace, dry_run, as_json)
    run.make(missing.BY_COMMAND[str(called.info_name)], parts, extras, said, version=number)


app.command("publisher", cls=commands.Command, help=help.PUBLISHER)(pubsub.publisher)
app.command("subscriber", cls=commands.Command, help=help.SUBSCRIBER)(pubsub.subscriber)
