"""`natsgen list` and `natsgen show`: what a workspace and one of its services hold."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from natsgen.cli import completion, options, output

if TYPE_CHECKING:
    from natsgen.action_discovery import ActionFile, FoundAction
    from natsgen.discovery import FoundHandler, HandlerFile
    from natsgen.inventory import Service
    from natsgen.parts import PartFile
    from natsgen.portrait import Portrait
    from natsgen.source import Value


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
    no_input: options.NoInput = False,
    as_json: options.AsJson = False,
) -> None:
    """List the services, their handlers and their actions.

    They are read from source: nothing is imported or run.

    \b
    Examples:
      natsgen list
      natsgen list billing --json
    """
    from natsgen import inventory
    from natsgen import workspace as workspaces

    place = workspaces.find(workspace, Path.cwd())
    if service is not None:
        inventory.need_service(place, service)
    names = inventory.names(place) if service is None else (service,)
    services = [inventory.service(place, name) for name in names]
    if as_json:
        output.document({"workspace": str(place.root), "services": [_service_document(one) for one in services]})
    elif services:
        output.result("\n".join(line for one in services for line in _service_lines(one)))
    else:
        output.note(f"there is no service in {place.root}; natsgen new makes one")


def show(
    service: options.Service,
    workspace: options.Workspace = None,
    no_input: options.NoInput = False,
    as_json: options.AsJson = False,
) -> None:
    """Show one service in full.

    That is its answers, handlers, actions, settings, published subjects, and the files that a person changed: those
    that are not as this natsgen would make them.

    \b
    Examples:
      natsgen show billing
      natsgen show billing --json
    """
    from natsgen import portrait, questions, template_source
    from natsgen import workspace as workspaces

    template = template_source.bundled()
    place = workspaces.find(workspace, Path.cwd())
    found = portrait.of(place, template, questions.read(template.folder), service)
    if as_json:
        output.document({"workspace": str(place.root), **_portrait_document(found, template.commit)})
    else:
        output.result("\n".join(_portrait_lines(found, template.commit)))


def _service_lines(service: Service) -> Iterator[str]:
    yield f"{service.name}  {service.kind}  {service.version or 'version unknown'}{_because(service.error)}"
    rows = [_row(service.name, handler) for file in service.handlers for handler in file.handlers]
    rows += [_action_row(service.name, action) for file in service.actions for action in file.actions]
    yield from (f"  {line}" for line in output.columns(rows))
    yield from (f"  {_failed(file)}" for file in _unreadable(service))


def _row(service: str, handler: FoundHandler) -> tuple[str, str, str]:
    return handler.name, _text(handler.subject) if handler.subject else "(no subject)", handler.durable_in(service)


def _action_row(service: str, action: FoundAction) -> tuple[str, str, str]:
    return action.name, _text(action.subject_in(service)), "action of every instance" if action.is_for_all else "action"


def _text(value: Value) -> str:
    return value.text if value.is_text else f"({value.source})"


def _unreadable(service: Service) -> list[PartFile]:
    files: list[PartFile] = [*service.handlers, *service.actions]
    return [file for file in files if file.error]


def _failed(file: PartFile) -> str:
    return output.printable(f"{file.path}: {file.error}")


def _because(error: str) -> str:
    return f"  ({output.printable(error)})" if error else ""


def _service_document(service: Service) -> dict[str, Any]:
    return {
        "name": service.name,
        "kind": service.kind,
        "template_version": service.version,
        "error": service.error or None,
        "handlers": [_handler_document(service.name, file, one) for file in service.handlers for one in file.handlers],
        "actions": [_action_document(service.name, file, one) for file in service.actions for one in file.actions],
        "unreadable": [{"file": str(file.path), "error": file.error} for file in _unreadable(service)],
    }


def _handler_document(service: str, file: HandlerFile, handler: FoundHandler) -> dict[str, Any]:
    subject = handler.subject
    return {
        "name": handler.name,
        "subject": subject.text if subject else None,
        "subject_is_literal": bool(subject and subject.is_text),
        "durable": handler.durable_in(service),
        "batch": handler.batch,
        "options": {name: value.source for name, value in handler.options.items()},
        "file": str(file.path),
        "line": handler.line,
    }


def _action_document(service: str, file: ActionFile, action: FoundAction) -> dict[str, Any]:
    subject = action.subject_in(service)
    return {
        "name": action.name,
        "action": action.action.text if action.action else None,
        "subject": subject.text,
        "subject_is_literal": subject.is_text,
        "version": action.version.text,
        "queue": not action.is_for_all,
        "options": {name: value.source for name, value in action.options.items()},
        "file": str(file.path),
        "line": action.line,
    }


def _portrait_lines(found: Portrait, offered: str) -> Iterator[str]:
    yield from _service_lines(found.service)
    if found.is_outdated:
        yield f"  this natsgen has a newer template: {offered}"
    yield from _section("Answers", [(key, _plain(value)) for key, value in found.answers.items()])
    yield from _section("Publishes", [(subject,) for subject in found.published])
    yield from _section("Settings", [(one.name, one.default, one.meaning) for one in found.settings])
    if found.settings_error:
        yield f"  {output.printable(found.settings_error)}"
    changed = [(one.how, str(one.path), "yours to change" if one.is_own else "") for one in found.changed]
    yield from _section(f"Files that are not as natsgen makes them ({offered})", changed, "none")


def _section(title: str, rows: Sequence[tuple[str, ...]], otherwise: str = "") -> Iterator[str]:
    if rows or otherwise:
        yield ""
        yield f"{title}:"
        yield from (f"  {line}" for line in output.columns(rows))
        if not rows:
            yield f"  {otherwise}"


def _plain(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key}: {_plain(entry)}" if entry else str(key) for key, entry in value.items())
    return str(value)


def _portrait_document(found: Portrait, offered: str) -> dict[str, Any]:
    return {
        **_service_document(found.service),
        "offered_version": offered,
        "is_outdated": found.is_outdated,
        "answers": dict(found.answers),
        "publishes": list(found.published),
        "settings": [{"name": s.name, "default": s.default, "meaning": s.meaning} for s in found.settings],
        "settings_error": found.settings_error or None,
        "changed": [{"path": str(c.path), "how": c.how, "yours": c.is_own} for c in found.changed],
    }
