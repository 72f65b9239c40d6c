"""`natsgen extras`, `add-extra` and `remove-extra`: the packages that a person asks for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from natsgen.cli import completion, options, output
from natsgen.cli.parts import report

if TYPE_CHECKING:
    from natsgen.services.edit import ServiceTarget
    from natsgen.services.extras import Changed, Extra

_Names = Annotated[
    list[str],
    typer.Argument(metavar="NAME...", help="Names of extras.", show_default=False, autocompletion=completion.extras),
]


def extras(
    service: Annotated[
        str | None,
        typer.Argument(
            metavar="SERVICE",
            help="Show which of them this service has.",
            show_default=False,
            autocompletion=completion.services,
        ),
    ] = None,
    workspace: options.Workspace = None,
    as_json: options.AsJson = False,
) -> None:
    """List the extras, and which of them a service has.

    An extra is a package of runtime code that no part needs, such as key-value buckets or object stores. A service
    gets its files when you add it.

    \b
    Examples:
      natsgen extras
      natsgen extras billing --json
    """
    from natsgen import workspace as workspaces
    from natsgen.services import extras as packages

    place = workspaces.find(workspace, Path.cwd())
    found = packages.known() if service is None else packages.of(place, service)
    if not as_json:
        output.result("\n".join(output.columns([_row(one, of_service=service is not None) for one in found])))
        return
    document: dict[str, object] = {} if service is None else {"workspace": str(place.root), "service": service}
    output.document({**document, "extras": [_document(one, of_service=service is not None) for one in found]})


def add_extra(
    service: options.Service,
    name: _Names,
    workspace: options.Workspace = None,
    dry_run: options.DryRun = False,
    as_json: options.AsJson = False,
) -> None:
    """Add extras to a service.

    This adds their files and the packages that they need, and records them in the service's answers. It changes
    nothing else.

    \b
    Examples:
      natsgen add-extra billing kv
      natsgen add-extra billing kv objects --dry-run
    """
    from natsgen.services import extras as packages

    with report.target(service, workspace, dry_run=dry_run) as site:
        changed = packages.add(site, _names(name))
    _tell(site, changed, "Added", as_json=as_json)


def remove_extra(
    service: options.Service,
    name: _Names,
    force: options.Force = False,
    workspace: options.Workspace = None,
    dry_run: options.DryRun = False,
    as_json: options.AsJson = False,
) -> None:
    """Remove extras from a service.

    This removes their files and the packages that only they need. It keeps what a part needs or your own files import,
    and refuses to delete edited files unless --force is given.

    \b
    Examples:
      natsgen remove-extra billing kv
      natsgen remove-extra billing kv objects --dry-run
    """
    from natsgen.services import extras as packages

    with report.target(service, workspace, dry_run=dry_run) as site:
        changed = packages.remove(site, _names(name), force=force)
    _tell(site, changed, "Removed", as_json=as_json)


def _names(given: Sequence[str]) -> list[str]:
    """Return the names that a person typed, with spaces or commas between."""
    from natsgen.answers import given_answers

    return list(given_answers.from_extras(given, "NAME").values["extras"])


def _tell(site: ServiceTarget, changed: Changed, verb: str, *, as_json: bool) -> None:
    from natsgen.services.service_packages import told

    change = changed.change
    files = change.added or change.removed
    document = {
        "service": site.service,
        "extras": changed.extras,
        "created": [str(path) for path in change.added],
        "changed": [str(path) for path in change.replaced],
        "removed": [str(path) for path in change.removed],
        "notes": changed.notes,
    }
    story = f"Changed the answers of {site.service}: its extras are {', '.join(changed.extras) or 'none'}"
    if files:
        what = told(report.packages_of(site.service, files)) or "files"
        story = f"{verb} {what} ({len(files)} file{'s' if len(files) > 1 else ''}) in services/{site.service}"
    notes, root = changed.notes, site.workspace.root
    output.report(root, change, document, [story], is_dry_run=site.dry_run, as_json=as_json, notes=notes)


def _row(extra: Extra, *, of_service: bool) -> tuple[str, ...]:
    if not of_service:
        return extra.name, extra.summary
    state = "yes" if extra.is_asked_for and extra.is_there else "needed" if extra.is_there else "no"
    return extra.name, "missing" if extra.is_asked_for and not extra.is_there else state, extra.summary


def _document(extra: Extra, *, of_service: bool) -> dict[str, object]:
    document: dict[str, object] = {"name": extra.name, "summary": extra.summary}
    return {**document, "is_there": extra.is_there, "is_asked_for": extra.is_asked_for} if of_service else document
