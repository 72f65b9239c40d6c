"""`natsgen add-publisher`, `add-subscriber` and their removals: one file and its test come or go."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from natsgen.cli import completion, growing, options

if TYPE_CHECKING:
    from natsgen.parts.pubsub_discovery import PubSubFile
    from natsgen.services.edit import Removed, ServiceTarget

_File = TypeVar("_File", bound="PubSubFile")

Name = Annotated[
    str | None, typer.Option("--name", metavar="NAME", help="Its name [default: the subject's last two tokens]")
]


def add_publisher(
    service: options.Service,
    subject: Annotated[
        str, typer.Argument(metavar="SUBJECT", help="Subject that it publishes on.", show_default=False)
    ],
    name: Name = None,
    interval: Annotated[
        str | None,
        typer.Option(metavar="SECONDS", help="From one message to the next [default: what PUBLISH_INTERVAL says]"),
    ] = None,
    core: options.Core = False,
    workspace: options.Workspace = None,
    no_input: options.NoInput = False,
    dry_run: options.DryRun = False,
    as_json: options.AsJson = False,
) -> None:
    """Add a publisher and its test to a service.

    Two files come and nothing else changes, so that two branches that each add a publisher merge without a conflict.
    The service publishes when it starts.

    \b
    Examples:
      natsgen add-publisher billing billing.heart.beat --interval 10
      natsgen add-publisher billing events.test --name test --core
    """
    from natsgen import messages, naming
    from natsgen.parts import pubsub_naming
    from natsgen.parts.pubsub import Publisher
    from natsgen.services import pubsub_growth

    subject = messages.located("SUBJECT", pubsub_naming.published, subject)
    wanted = Publisher(
        name=naming.handler_for(subject) if name is None else messages.located("--name", pubsub_naming.publisher, name),
        subject=subject,
        interval=None if interval is None else messages.located("--interval", pubsub_naming.interval_in, interval),
        core=core,
    )
    with growing.site(service, workspace, dry_run=dry_run) as site:
        added = pubsub_growth.add_publisher(site, wanted)
        facts = {"subject": subject, "interval": wanted.interval, "core": core}
        done = growing.Done(site, wanted.kind, wanted.name, added.change, added.notes, facts, as_json)
        done.tell_added(f"it {wanted}")


def add_subscriber(
    service: options.Service,
    subject: Annotated[
        str,
        typer.Argument(
            metavar="SUBJECT", help="Subject that it listens to; * and a last > are wildcards.", show_default=False
        ),
    ],
    name: Name = None,
    queue_group: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Group of which one hears each message [default: what QUEUE_GROUP says]"),
    ] = None,
    workspace: options.Workspace = None,
    no_input: options.NoInput = False,
    dry_run: options.DryRun = False,
    as_json: options.AsJson = False,
) -> None:
    """Add a subscriber of core NATS, and its test, to a service.

    Two files come and nothing else changes, so that two branches that each add a subscriber merge without a conflict.
    It hears what is published while the service runs; what must not be lost is for a handler.

    \b
    Examples:
      natsgen add-subscriber billing events.test --queue-group workers
      natsgen add-subscriber billing 'events.>' --name ear
    """
    from natsgen import messages, naming
    from natsgen.parts import pubsub_naming
    from natsgen.parts.pubsub import Subscriber
    from natsgen.services import pubsub_growth

    subject = messages.located("SUBJECT", pubsub_naming.heard, subject)
    wanted = Subscriber(
        name=naming.handler_for(subject)
        if name is None
        else messages.located("--name", pubsub_naming.subscriber, name),
        subject=subject,
        queue_group=None
        if queue_group is None
        else messages.located("--queue-group", pubsub_naming.group, queue_group),
    )
    with growing.site(service, workspace, dry_run=dry_run) as site:
        added = pubsub_growth.add_subscriber(site, wanted)
        facts = {"subject": subject, "queue_group": wanted.queue_group}
        done = growing.Done(site, wanted.kind, wanted.name, added.change, added.notes, facts, as_json)
        done.tell_added(f"it {wanted}")


def remove_publisher(
    service: options.Service,
    publisher: Annotated[
        str,
        typer.Argument(
            metavar="PUBLISHER",
            help="Name of the publisher, or of its file.",
            show_default=False,
            autocompletion=completion.publishers,
        ),
    ],
    force: options.Force = False,
    workspace: options.Workspace = None,
    no_input: options.NoInput = False,
    dry_run: options.DryRun = False,
    as_json: options.AsJson = False,
) -> None:
    """Remove a publisher and its test from a service.

    What somebody edited is not removed without --force. What it published stays in its stream.

    \b
    Examples:
      natsgen remove-publisher billing heart_beat
      natsgen remove-publisher billing heart_beat --dry-run
    """
    from natsgen.services import pubsub_growth

    with growing.site(service, workspace, dry_run=dry_run) as site:
        removed = pubsub_growth.remove_publisher(site, publisher, force=force)
        _tell_removed(site, removed, as_json=as_json)


def remove_subscriber(
    service: options.Service,
    subscriber: Annotated[
        str,
        typer.Argument(
            metavar="SUBSCRIBER",
            help="Name of the subscriber, or of its file.",
            show_default=False,
            autocompletion=completion.subscribers,
        ),
    ],
    force: options.Force = False,
    workspace: options.Workspace = None,
    no_input: options.NoInput = False,
    dry_run: options.DryRun = False,
    as_json: options.AsJson = False,
) -> None:
    """Remove a subscriber and its test from a service.

    What somebody edited is not removed without --force. Nothing of it is left on the NATS server.

    \b
    Examples:
      natsgen remove-subscriber billing events_test
      natsgen remove-subscriber billing events_test --dry-run
    """
    from natsgen.services import pubsub_growth

    with growing.site(service, workspace, dry_run=dry_run) as site:
        removed = pubsub_growth.remove_subscriber(site, subscriber, force=force)
        _tell_removed(site, removed, as_json=as_json)


def _tell_removed(site: ServiceTarget, removed: Removed[_File], *, as_json: bool) -> None:
    subjects = [part.subject.text for part in removed.file.parts if part.subject]
    kind, name = removed.file.kind, removed.file.name
    done = growing.Done(site, kind, name, removed.change, removed.notes, {"subjects": subjects}, as_json)
    done.tell_removed(())
