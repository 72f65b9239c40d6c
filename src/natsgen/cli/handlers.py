"""`natsgen add-handler` and `natsgen remove-handler`: one file and its test come or go."""

from __future__ import annotations

import shlex
from typing import Annotated

import typer

from natsgen.cli import completion, growing, options

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
      natsgen add-handler billing orders.order.created --name archive --batch
    """
    from natsgen import messages, naming
    from natsgen.parts.handlers import Handler
    from natsgen.parts.kinds import HANDLERS
    from natsgen.services import handler_growth

    subject = messages.located("SUBJECT", naming.subject, subject)
    wanted = Handler(
        name=naming.handler_for(subject) if name is None else messages.located("--name", naming.handler, name),
        subject=subject,
        durable=None if durable is None else messages.located("--durable", naming.durable, durable),
        concurrency=None
        if concurrency is None
        else messages.located("--concurrency", naming.concurrency_in, concurrency),
        batch=batch,
    )
    with growing.site(service, workspace, dry_run=dry_run) as site:
        added = handler_growth.add_handler(site, wanted)
        durable_name = wanted.durable_in(service)
        facts = {"subject": subject, "durable": durable_name}
        done = growing.Done(site, HANDLERS, wanted.name, added.change, added.notes, facts, as_json)
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
    force: options.Force = False,
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
    from natsgen.parts.kinds import HANDLERS
    from natsgen.services import handler_growth

    with growing.site(service, workspace, dry_run=dry_run) as site:
        removed = handler_growth.remove_handler(site, handler, force=force)
        consumers = handler_growth.consumers_of(removed.file, service)
        facts = {"consumers": [{"stream": stream, "durable": durable} for stream, durable in consumers]}
        done = growing.Done(site, HANDLERS, removed.file.name, removed.change, removed.notes, facts, as_json)
        done.tell_removed(
            CONSUMER_STAYS if consumers else [],
            [f"nats consumer rm {shlex.quote(stream)} {shlex.quote(durable)}" for stream, durable in consumers],
        )
