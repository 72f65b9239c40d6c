"""`natsgen list` and `natsgen show`: what a workspace and one of its services hold."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from natsgen.cli import completion, documents, options, output, templates

if TYPE_CHECKING:
    from natsgen.parts.action_discovery import FoundAction
    from natsgen.parts.discovery import FoundHandler
    from natsgen.parts.pubsub_discovery import FoundPubSub
    from natsgen.parts.route_discovery import FoundRoute
    from natsgen.parts.source import Value
    from natsgen.parts.task_discovery import FoundTask
    from natsgen.services.describe import ServiceReport
    from natsgen.services.listing import Service


def list_services(
    service: Annotated[
        str | None,
        typer.Argument(
            metavar="SERVICE",
            help="Only this one [default: all]",
            show_default=False,
            autocompletion=completion.services,
        ),
    ] = None,
    workspace: options.Workspace = None,
    as_json: options.AsJson = False,
) -> None:
    """List the services and their parts.

    Parts are handlers, actions, routes, tasks, publishers and subscribers. natsgen reads them from source; it imports
    and runs nothing.

    \b
    Examples:
      natsgen list
      natsgen list billing --json
    """
    from natsgen import workspace as workspaces
    from natsgen.services import listing

    place = workspaces.find(workspace, Path.cwd())
    if service is not None:
        listing.require_service(place, service)
    names = listing.names(place) if service is None else (service,)
    services = [listing.service(place, name) for name in names]
    if as_json:
        output.document({"workspace": str(place.root), "services": [documents.of_service(one) for one in services]})
    elif services:
        output.result("\n".join(line for one in services for line in _service_lines(one)))
    else:
        output.note(output.no_services(place.root))


def show(
    service: options.Service,
    workspace: options.Workspace = None,
    as_json: options.AsJson = False,
) -> None:
    """Show one service in full.

    This shows its parts, answers, settings and published subjects, and the files that differ from its own version of
    the template.

    \b
    Examples:
      natsgen show billing
      natsgen show billing --json
    """
    from natsgen import workspace as workspaces
    from natsgen.answers import questions
    from natsgen.services import describe

    place = workspaces.find(workspace, Path.cwd())
    with templates.of_service(place, service) as (template, newest):
        found = describe.describe_service(place, template, questions.read(template.folder), service, newest)
    if as_json:
        output.document({"workspace": str(place.root), **documents.of_portrait(found, newest)})
    else:
        output.result("\n".join(_portrait_lines(found, newest)))


def _service_lines(service: Service) -> Iterator[str]:
    yield f"{service.name}  {service.kind}  {service.version or 'version unknown'}{_because(service.error)}"
    rows = [_row(service.name, handler) for file in service.handlers for handler in file.handlers]
    rows += [_action_row(service.name, action) for file in service.actions for action in file.actions]
    rows += [_route_row(route) for file in service.routes for route in file.routes]
    rows += [_publisher_row(one) for file in service.publishers for one in file.parts]
    rows += [_subscriber_row(one) for file in service.subscribers for one in file.parts]
    rows += [_task_row(task) for file in service.tasks for task in file.tasks]
    yield from (f"  {line}" for line in output.columns(rows))
    failed = [output.printable(f"{file.path}: {file.error}") for file in service.files if file.error]
    yield from (f"  {line}" for line in failed)


def _row(service: str, handler: FoundHandler) -> tuple[str, str, str]:
    return handler.name, _text(handler.subject) if handler.subject else "(no subject)", handler.durable_in(service)


def _action_row(service: str, action: FoundAction) -> tuple[str, str, str]:
    return action.name, _text(action.subject_in(service)), "action of every instance" if action.is_for_all else "action"


def _route_row(route: FoundRoute) -> tuple[str, str, str]:
    sent = [f"calls {_text(subject)}" for subject in route.calls]
    sent += [f"publishes {_text(subject)}" for subject in route.publishes]
    return route.name, route.request.text, ", ".join(sent) or "route"


def _publisher_row(publisher: FoundPubSub) -> tuple[str, str, str]:
    every, core = publisher.options.get("every"), publisher.options.get("core")
    told = "publisher" if core is None or core.literal is False else "publisher by core NATS"
    told += f", every {every.text} s" if every else ""
    return publisher.name, _text(publisher.subject) if publisher.subject else "(no subject)", told


def _subscriber_row(subscriber: FoundPubSub) -> tuple[str, str, str]:
    queue = subscriber.options.get("queue")
    told = f"subscriber in the group {queue.text}" if queue and queue.text else "subscriber"
    return subscriber.name, _text(subscriber.subject) if subscriber.subject else "(no subject)", told


def _task_row(task: FoundTask) -> tuple[str, str, str]:
    return task.name, _text(task.subject), "recurring task" if task.recurs else "task"


def _text(value: Value) -> str:
    return value.text if value.is_text else f"({value.source})"


def _because(error: str) -> str:
    return f"  ({output.printable(error)})" if error else ""


def _portrait_lines(found: ServiceReport, offered: str) -> Iterator[str]:
    yield from _service_lines(found.service)
    if found.is_outdated:
        yield f"  newer template version available: {offered}"
    yield from _section("Answers", [(key, _plain(value)) for key, value in found.answers.items()])
    yield from _section("Publishes", [(subject,) for subject in found.published])
    yield from _section("Settings", [(one.name, one.default, one.meaning) for one in found.settings])
    if found.settings_error:
        yield f"  {output.printable(found.settings_error)}"
    changed = [(one.how, str(one.path), "yours to change" if one.is_own else "") for one in found.changed]
    yield from _section(
        f"Files that differ from the template ({found.service.version or 'no version'})", changed, "none"
    )


def _section(title: str, rows: Sequence[tuple[str, ...]], otherwise: str = "") -> Iterator[str]:
    if rows or otherwise:
        yield ""
        yield f"{title}:"
        yield from (f"  {line}" for line in output.columns(rows))
        if not rows:
            yield f"  {otherwise}"


def _plain(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key}: {_inner(entry)}" if entry else str(key) for key, entry in value.items())
    return str(value)


def _inner(value: object) -> str:
    return f"{{{_plain(value)}}}" if isinstance(value, dict) else str(value)
