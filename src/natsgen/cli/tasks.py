"""`natsgen add-task` and `natsgen remove-task`: one file and its test come or go."""

from __future__ import annotations

import shlex
from typing import Annotated

import typer

from natsgen.cli import completion, growing, options

STAYS = (
    "What is enqueued for it stays in its queue, and its consumers and its schedule stay too. When no worker with this",
    "task runs any more, delete them:",
)


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
        str | None,
        typer.Option(metavar="N", help="How many one instance runs at once [default: 1]"),
    ] = None,
    timeout: Annotated[
        str | None,
        typer.Option(metavar="SECONDS", help="How long an attempt may take [default: as long as it takes]"),
    ] = None,
    max_attempts: Annotated[
        str | None,
        typer.Option(metavar="N", help="How often it is started before it is a dead letter [default: 5]"),
    ] = None,
    workspace: options.Workspace = None,
    no_input: options.NoInput = False,
    dry_run: options.DryRun = False,
    as_json: options.AsJson = False,
) -> None:
    """Add a task and its test to a service.

    Two files come and nothing else changes, so that two branches that each add a task merge without a conflict. The
    service finds it when it starts; anybody may enqueue it as QUEUE.TASK, before as well.

    \b
    Examples:
      natsgen add-task mailer send_email --queue emails
      natsgen add-task mailer send_invoice --timeout 30 --max-attempts 8
    """
    from natsgen import messages, naming
    from natsgen.parts import task_naming
    from natsgen.parts.kinds import TASKS
    from natsgen.parts.tasks import NORMAL, Task
    from natsgen.services import task_growth

    name = messages.located("TASK", task_naming.task, task)
    given = None if queue is None else messages.located("--queue", task_naming.queue, queue)
    level = NORMAL if priority is None else messages.located("--priority", task_naming.priority, priority)
    runs = None if concurrency is None else messages.located("--concurrency", naming.concurrency_in, concurrency)
    limit = None if timeout is None else messages.located("--timeout", task_naming.timeout_in, timeout)
    attempts = (
        None if max_attempts is None else messages.located("--max-attempts", task_naming.max_attempts_in, max_attempts)
    )
    with growing.site(service, workspace, dry_run=dry_run) as site:
        wanted = Task(name, given or task_growth.queue_of(site), level, runs, limit, attempts)
        added = task_growth.add_task(site, wanted)
        facts = {"queue": wanted.queue, "subject": wanted.subject, "durable": wanted.durable_in(service)}
        done = growing.Done(site, TASKS, name, added.change, added.notes, facts, as_json)
        done.tell_added(f"it is enqueued as {wanted.queue}.{name}, and waits on {wanted.subject}")


def remove_task(
    service: options.Service,
    task: Annotated[
        str,
        typer.Argument(
            metavar="TASK",
            help="Name of the task, or of its file.",
            show_default=False,
            autocompletion=completion.tasks,
        ),
    ],
    force: options.Force = False,
    workspace: options.Workspace = None,
    no_input: options.NoInput = False,
    dry_run: options.DryRun = False,
    as_json: options.AsJson = False,
) -> None:
    """Remove a task and its test from a service.

    What somebody edited is not removed without --force. What is on the NATS server stays; how to delete it is said.

    \b
    Examples:
      natsgen remove-task mailer send_email
      natsgen remove-task mailer send_email --dry-run
    """
    from natsgen.parts.kinds import TASKS
    from natsgen.services import task_growth

    with growing.site(service, workspace, dry_run=dry_run) as site:
        removed = task_growth.remove_task(site, task, force=force)
        consumers, schedules = task_growth.consumers_of(removed.file, service), task_growth.schedules_of(removed.file)
        facts = {
            "consumers": [{"stream": stream, "durable": durable} for stream, durable in consumers],
            "schedules": [{"stream": stream, "subject": subject} for stream, subject in schedules],
        }
        commands = [
            f"nats stream purge {shlex.quote(stream)} --subject {shlex.quote(subject)}" for stream, subject in schedules
        ]
        commands += [f"nats consumer rm {shlex.quote(stream)} {shlex.quote(durable)}" for stream, durable in consumers]
        done = growing.Done(site, TASKS, removed.file.name, removed.change, removed.notes, facts, as_json)
        done.tell_removed(STAYS if consumers else [], commands)
