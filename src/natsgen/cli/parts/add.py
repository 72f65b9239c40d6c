"""`natsgen add-handler` and the like for each kind: one file and its test come, with the packages that they need."""

from __future__ import annotations

from typing import Annotated

import typer

from natsgen.cli import options
from natsgen.cli.parts import report

Name = Annotated[str | None, typer.Option(metavar="NAME", help="Its name [default: the subject's last two tokens]")]


def add_handler(
    service: options.Service,
    subject: Annotated[
        str,
        typer.Argument(
            metavar="SUBJECT", help="Subject of the events; * and a last > are wildcards.", show_default=False
        ),
    ],
    name: Name = None,
    durable: Annotated[
        str | None, typer.Option(metavar="NAME", help="Name of its JetStream consumer [default: SERVICE-NAME]")
    ] = None,
    concurrency: Annotated[
        str | None, typer.Option(metavar="N", help="How many events it handles at once [default: 1]")
    ] = None,
    batch: Annotated[bool, typer.Option("--batch", help="It takes a list of events.")] = False,
    workspace: options.Workspace = None,
    dry_run: options.DryRun = False,
    as_json: options.AsJson = False,
) -> None:
    """Add a handler and its test to a service.

    Creates exactly two files, so that branches that each add a handler merge without a conflict. The worker finds it
    when it starts.

    \b
    Examples:
      natsgen add-handler billing orders.order.cancelled
      natsgen add-handler billing 'orders.>' --name audit --concurrency 10
      natsgen add-handler billing orders.order.created --name archive --batch
    """
    from natsgen.parts import subjects
    from natsgen.parts.handlers import HANDLERS, Handler

    named, subject = subjects.named(HANDLERS, name, subject)
    wanted = Handler(named, subject, batch=batch, **HANDLERS.parse(durable=durable, concurrency=concurrency))
    report.add(wanted, service, workspace, dry_run=dry_run, as_json=as_json)


def add_action(
    service: options.Service,
    action: Annotated[
        str,
        typer.Argument(
            metavar="ACTION", help="Name of the action: lower-case letters, digits, underscores.", show_default=False
        ),
    ],
    version: Annotated[str | None, typer.Option(metavar="N", help="Its version, in its subject [default: 1]")] = None,
    concurrency: Annotated[
        str | None, typer.Option(metavar="N", help="How many requests it answers at once [default: 100]")
    ] = None,
    timeout: Annotated[
        str | None, typer.Option(metavar="SECONDS", help="How long a request may take [default: 5]")
    ] = None,
    no_queue: Annotated[
        bool, typer.Option("--no-queue", help="Every instance of the service answers each request, not one of them.")
    ] = False,
    workspace: options.Workspace = None,
    dry_run: options.DryRun = False,
    as_json: options.AsJson = False,
) -> None:
    """Add an action and its test to a service.

    Creates exactly two files, so that branches that each add an action merge without a conflict. The service answers on
    vVERSION.SERVICE.ACTION when it starts. Another version of an action that is there is a file of its own, and both
    are answered.

    \b
    Examples:
      natsgen add-action greeter farewell
      natsgen add-action greeter greet --version 2
      natsgen add-action greeter report --concurrency 4 --timeout 30
    """
    from natsgen import messages
    from natsgen.parts.actions import ACTIONS, Action

    named = messages.located("ACTION", ACTIONS.name.check, action)
    limits = ACTIONS.parse(version=version, concurrency=concurrency, timeout=timeout)
    report.add(Action(named, queue=not no_queue, **limits), service, workspace, dry_run=dry_run, as_json=as_json)


def add_route(
    service: options.Gateway,
    route: Annotated[
        str,
        typer.Argument(
            metavar="ROUTE",
            help="METHOD PATH=SUBJECT: the action that it calls; or METHOD PATH=publish:SUBJECT: what it publishes to.",
            show_default=False,
        ),
    ],
    name: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Name of the route [default: the action's, or that of the event's handler]"),
    ] = None,
    workspace: options.Workspace = None,
    dry_run: options.DryRun = False,
    as_json: options.AsJson = False,
) -> None:
    """Add a route and its test to a gateway.

    Creates exactly two files, so that branches that each add a route merge without a conflict. The gateway finds it
    when it starts. A call answers with what the action answers; what is published is answered with 202 as soon as a
    stream has it.

    \b
    Examples:
      natsgen add-route api "POST /greet=v1.greeter.greet"
      natsgen add-route api "POST /orders/{order_id}=publish:orders.item.added"
      natsgen add-route api "GET /orders/{order_id}=v1.orders.get" --name order
    """
    from functools import partial

    from natsgen import messages
    from natsgen.parts import routes

    named = None if name is None else messages.located("--name", routes.ROUTES.name.check, name)
    wanted = messages.located("ROUTE", partial(routes.from_text, name=named), route)
    report.add(wanted, service, workspace, dry_run=dry_run, as_json=as_json)


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
    dry_run: options.DryRun = False,
    as_json: options.AsJson = False,
) -> None:
    """Add a publisher and its test to a service.

    Creates exactly two files, so that branches that each add a publisher merge without a conflict. The service
    publishes when it starts.

    \b
    Examples:
      natsgen add-publisher billing billing.heart.beat --interval 10
      natsgen add-publisher billing events.test --name test --core
    """
    from natsgen.parts import subjects
    from natsgen.parts.publishers import PUBLISHERS, Publisher

    named, subject = subjects.named(PUBLISHERS, name, subject)
    wanted = Publisher(named, subject, core=core, **PUBLISHERS.parse(interval=interval))
    report.add(wanted, service, workspace, dry_run=dry_run, as_json=as_json)


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
    dry_run: options.DryRun = False,
    as_json: options.AsJson = False,
) -> None:
    """Add a subscriber of core NATS, and its test, to a service.

    Creates exactly two files, so that branches that each add a subscriber merge without a conflict. It hears what is
    published while the service runs; what must not be lost is for a handler.

    \b
    Examples:
      natsgen add-subscriber billing events.test --queue-group workers
      natsgen add-subscriber billing 'events.>' --name ear
    """
    from natsgen.parts import subjects
    from natsgen.parts.subscribers import SUBSCRIBERS, Subscriber

    named, subject = subjects.named(SUBSCRIBERS, name, subject)
    wanted = Subscriber(named, subject, **SUBSCRIBERS.parse(queue_group=queue_group))
    report.add(wanted, service, workspace, dry_run=dry_run, as_json=as_json)


def add_task(
    service: options.Service,
    task: Annotated[
        str,
        typer.Argument(
            metavar="TASK", help="Name of the task: lower-case letters, digits, underscores.", show_default=False
        ),
    ],
    queue: Annotated[
        str | None,
        typer.Option(metavar="QUEUE", help="Queue that it is enqueued to [default: the service's, if there is one]"),
    ] = None,
    priority: Annotated[
        str | None,
        typer.Option(metavar="high|normal|low", help="Its priority where nobody says another [default: normal]"),
    ] = None,
    concurrency: Annotated[
        str | None, typer.Option(metavar="N", help="How many one instance runs at once [default: 1]")
    ] = None,
    timeout: Annotated[
        str | None,
        typer.Option(metavar="SECONDS", help="How long an attempt may take [default: as long as it takes]"),
    ] = None,
    max_attempts: Annotated[
        str | None, typer.Option(metavar="N", help="How often it is started before it is a dead letter [default: 5]")
    ] = None,
    workspace: options.Workspace = None,
    dry_run: options.DryRun = False,
    as_json: options.AsJson = False,
) -> None:
    """Add a task and its test to a service.

    Creates exactly two files, so that branches that each add a task merge without a conflict. The service finds it when
    it starts; anybody may enqueue it as QUEUE.TASK, before as well.

    \b
    Examples:
      natsgen add-task mailer send_email --queue emails
      natsgen add-task mailer send_invoice --timeout 30 --max-attempts 8
    """
    from natsgen import messages
    from natsgen.parts.tasks import TASKS, Task
    from natsgen.services import edit

    named = messages.located("TASK", TASKS.name.check, task)
    given = TASKS.parse(
        queue=queue, priority=priority, concurrency=concurrency, timeout=timeout, max_attempts=max_attempts
    )
    with report.target(service, workspace, dry_run=dry_run) as target:
        if queue is None:
            given["queue"] = edit.queue_of(target)
        report.added(target, edit.add(target, Task(named, **given)), as_json=as_json)
