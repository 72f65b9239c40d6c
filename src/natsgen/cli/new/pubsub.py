"""`natsgen new publisher` and `natsgen new subscriber`."""

from __future__ import annotations

from typing import Annotated

import typer

from natsgen.cli import options
from natsgen.cli.new import missing, run

Subjects = list[str] | None


def publisher(
    name: options.NewName = None,
    subject: Annotated[
        Subjects,
        typer.Option(metavar="SUBJECT", help="Subject that it publishes on, a publisher each; may be repeated."),
    ] = None,
    interval: Annotated[
        str | None,
        typer.Option(metavar="SECONDS", help="From one message to the next, for PUBLISH_INTERVAL [default: 2]"),
    ] = None,
    core: options.Core = False,
    context: options.Context = None,
    description: options.Description = None,
    template: options.Template = None,
    workspace: options.Workspace = None,
    envelope: options.Envelope = None,
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
    """Make a publisher."""
    from functools import partial

    from natsgen.parts import publishers

    flags = {
        "service_name": name,
        "publish_interval": interval,
        "bounded_context": context,
        "description": description,
        "envelope": envelope,
        "python_version": python,
        "image": image,
        "network": network,
        "registry": registry,
    }
    said = run.Options(flags, data or [], data_file, template, workspace, dry_run, as_json)
    asked = missing.CORE_PUBLISHER if core else missing.PUBLISHER
    run.make(asked, {"--subject": (partial(publishers.from_subjects, core=core), subject)}, extras, said)


def subscriber(
    name: options.NewName = None,
    subject: Annotated[
        Subjects,
        typer.Option(metavar="SUBJECT", help="Subject that it listens to, a subscriber each; may be repeated."),
    ] = None,
    queue_group: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Group of which one hears each message, for QUEUE_GROUP [default: none]"),
    ] = None,
    context: options.Context = None,
    description: options.Description = None,
    template: options.Template = None,
    workspace: options.Workspace = None,
    envelope: options.Envelope = None,
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
    """Make a subscriber."""
    from natsgen.parts import subscribers

    flags = {
        "service_name": name,
        "queue_group": queue_group,
        "bounded_context": context,
        "description": description,
        "envelope": envelope,
        "python_version": python,
        "image": image,
        "network": network,
        "registry": registry,
    }
    said = run.Options(flags, data or [], data_file, template, workspace, dry_run, as_json)
    run.make(missing.SUBSCRIBER, {"--subject": (subscribers.from_subjects, subject)}, extras, said)
