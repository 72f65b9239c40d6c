"""`natsgen add-handler` and `natsgen remove-handler`: one file and its test come or go."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from natsgen.cli import completion, options, output
from natsgen.cli.growing import Done

CONSUMER_STAYS = (
    "Its consumer is still on the server, and keeps what nobody will handle. When no worker with this",
    "handler runs any more, delete it (the stream is named as the worker makes it):",
)


def add_handler(
    service: options.Service,
    subject: Annotated[
        str,
        typer.Argument(
            metavar="SUBJECT", help="Subject of the events; * and a last > are wildcards.", show_default=False
        ),
    ],
    name: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Name of the handler [default: the subject's last two tokens]"),
    ] = None,
    durable: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Name of its JetStream consumer [default: SERVICE-NAME]"),
    ] = None,
    concurrency: Annotated[
        str | None,
        typer.Option(metavar="N", help="How many events it handles at once [default: 1]"),
    ] = None,
    batch: Annotated[bool, typer.Option("--batch", help="It takes a list of events.")] = False,
    workspace: options.Workspace = None,
    no_input: options.NoInput = False,
    dry_run: options.DryRun = False,
    as_json: options.AsJson = False,
) -> None:
    """Add a handler and its test to a service.

    Two files come and nothing else changes, so that two branches that each add a handler merge without a conflict.
    The worker finds it when it starts.

    \b
    Examples:
      natsgen add-handler billing orders.order.cancelled
      natsgen add-handler billing 'orders.>' --name audit --concurrency 10
      natsgen add-handler billing orders.order.created --durable billing-archive --name archive --batch
    """
    from natsgen import handler_growth, naming, questions, template_source
    from natsgen import workspace as workspaces
    from natsgen.handlers import Handler
    from natsgen.parts import HANDLERS

    subject = naming.at("SUBJECT", naming.subject, subject)
    wanted = Handler(
        name=naming.handler_for(subject) if name is None else naming.at("--name", naming.handler, name),
        subject=subject,
        durable=None if durable is None else naming.at("--durable", naming.durable, durable),
        concurrency=None if concurrency is None else naming.at("--concurrency", naming.concurrency_in, concurrency),
        batch=batch,
    )
    template = template_source.bundled()
    questionnaire = questions.read(template.folder)
    place = workspaces.find(workspace, Path.cwd())
    added = handler_growth.add_handler(
        place, template, questionnaire, service, wanted, dry_run=dry_run, notify=output.note
    )
    durable_name = wanted.durable_in(service)
    facts = {"subject": subject, "durable": durable_name}
    done = Done(place, service, HANDLERS, wanted.name, added.change, added.notes, facts, dry_run, as_json)
    done.tell_added(f"it handles {subject} with the durable {durable_name}")


def remove_handler(
    service: options.Service,
    handler: Annotated[
        str,
        typer.Argument(
            metavar="HANDLER",
            help="Name of the handler, or of its file.",
            show_default=False,
            autocompletion=completion.handlers,
        ),
    ],
    force: Annotated[bool, typer.Option("--force", help="Remove it even if somebody edited it.")] = False,
    workspace: options.Workspace = None,
    no_input: options.NoInput = False,
    dry_run: options.DryRun = False,
    as_json: options.AsJson = False,
) -> None:
    """Remove a handler and its test from a service.

    What somebody edited is not removed without --force. The consumer on the NATS server stays; how to delete it is
    said.

    \b
    Examples:
      natsgen remove-handler billing order_cancelled
      natsgen remove-handler billing order_cancelled --dry-run
    """
    from natsgen import handler_growth, questions, template_source
    from natsgen import workspace as workspaces
    from natsgen.parts import HANDLERS

    template = template_source.bundled()
    questionnaire = questions.read(template.folder)
    place = workspaces.find(workspace, Path.cwd())
    removed = handler_growth.remove_handler(
        place, template, questionnaire, service, handler, force=force, dry_run=dry_run, notify=output.note
    )
    facts = {"consumers": [{"stream": stream, "durable": durable} for stream, durable in removed.consumers]}
    done = Done(place, service, HANDLERS, removed.name, removed.change, removed.notes, facts, dry_run, as_json)
    done.tell_removed(
        CONSUMER_STAYS if removed.consumers else [],
        [f"nats consumer rm {shlex.quote(stream)} {shlex.quote(durable)}" for stream, durable in removed.consumers],
    )
