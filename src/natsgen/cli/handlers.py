"""`natsgen add-handler` and `natsgen remove-handler`: one file and its test come or go."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from natsgen.cli import completion, next_steps, options, output

if TYPE_CHECKING:
    from natsgen.growth import Added, Removed
    from natsgen.workspace import Workspace


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
    from natsgen import growth, naming, questions, template_source
    from natsgen import workspace as workspaces
    from natsgen.handlers import Handler

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
    added = growth.add_handler(place, template, questionnaire, service, wanted, dry_run=dry_run, notify=output.note)
    if as_json:
        output.document(_document_of_added(place, service, added, dry_run=dry_run))
        return
    if dry_run:
        output.dry_run(added.change.diff(), len(added.change.added), "made", place.root)
    else:
        output.result(_story_of_added(place, service, added))
    _tell(added.notes)


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
    from natsgen import growth, questions, template_source
    from natsgen import workspace as workspaces

    template = template_source.bundled()
    questionnaire = questions.read(template.folder)
    place = workspaces.find(workspace, Path.cwd())
    removed = growth.remove_handler(
        place, template, questionnaire, service, handler, force=force, dry_run=dry_run, notify=output.note
    )
    if as_json:
        output.document(_document_of_removed(place, service, removed, dry_run=dry_run))
        return
    if dry_run:
        output.dry_run(removed.change.diff(), len(removed.change.removed), "removed", place.root)
    else:
        output.result(_story_of_removed(place, service, removed))
    _tell(removed.notes)


def _next_after_adding(workspace: Workspace, service: str, added: Added) -> tuple[str, str]:
    from natsgen.handlers import handler_test

    here = Path.cwd()
    test = next_steps.to_test(workspace, service, here, str(handler_test(added.handler.name)))
    return test, next_steps.to_run(workspace, service, here)


def _story_of_added(workspace: Workspace, service: str, added: Added) -> str:
    handler = added.handler
    test, run = _next_after_adding(workspace, service, added)
    lines = [f"Added the handler {handler.name} to {service} in {workspace.root}"]
    lines += [f"  {path}" for path in added.change.added]
    lines += [f"  it handles {handler.subject} with the durable {handler.durable_in(service)}"]
    lines += [
        "",
        "Next, from here:",
        "  test it:",
        f"    {test}",
        "  run it; a worker finds its handlers when it starts:",
    ]
    return "\n".join([*lines, f"    {run}"])


def _document_of_added(workspace: Workspace, service: str, added: Added, *, dry_run: bool) -> dict[str, object]:
    document: dict[str, object] = {
        "service": service,
        "workspace": str(workspace.root),
        "dry_run": dry_run,
        "handler": added.handler.name,
        "subject": added.handler.subject,
        "durable": added.handler.durable_in(service),
        "created": [str(path) for path in added.change.added],
        "notes": added.notes,
        "next": _next_after_adding(workspace, service, added),
    }
    return {**document, "diff": added.change.diff()} if dry_run else document


def _commands_for_consumers(removed: Removed) -> list[str]:
    return [f"nats consumer rm {shlex.quote(stream)} {shlex.quote(durable)}" for stream, durable in removed.consumers]


def _story_of_removed(workspace: Workspace, service: str, removed: Removed) -> str:
    lines = [f"Removed the handler {removed.name} from {service} in {workspace.root}"]
    lines += [f"  {path}" for path in removed.change.removed]
    if removed.consumers:
        lines += [
            "",
            "Its consumer is still on the server, and keeps what nobody will handle. When no worker with this",
        ]
        lines += ["handler runs any more, delete it (the stream is named as the worker makes it):"]
        lines += [f"  {output.printable(command)}" for command in _commands_for_consumers(removed)]
    return "\n".join(lines)


def _document_of_removed(workspace: Workspace, service: str, removed: Removed, *, dry_run: bool) -> dict[str, object]:
    document: dict[str, object] = {
        "service": service,
        "workspace": str(workspace.root),
        "dry_run": dry_run,
        "handler": removed.name,
        "removed": [str(path) for path in removed.change.removed],
        "consumers": [{"stream": stream, "durable": durable} for stream, durable in removed.consumers],
        "notes": removed.notes,
        "next": _commands_for_consumers(removed),
    }
    return {**document, "diff": removed.change.diff()} if dry_run else document


def _tell(notes: tuple[str, ...]) -> None:
    for note in notes:
        output.note(f"note: {output.printable(note)}")
