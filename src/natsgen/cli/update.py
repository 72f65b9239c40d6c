"""`natsgen update`: services get a newer template, and keep what a person changed in them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from natsgen.cli import completion, options, output, update_report
from natsgen.errors import InputError

if TYPE_CHECKING:
    from natsgen.update.fleet import Result
    from natsgen.workspace import Workspace

INLINE, REFUSE = "inline", "refuse"

Services = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="SERVICE", help="Services to work on.", show_default=False, autocompletion=completion.services
    ),
]
All = Annotated[bool, typer.Option("--all", help="All services in the workspace.")]


def update(
    service: Services = None,
    all_services: All = False,
    to: Annotated[
        str | None, typer.Option("--to", metavar="VERSION", help="Template version [default: the newest]")
    ] = None,
    conflicts: Annotated[
        str | None,
        typer.Option(
            metavar="refuse|inline",
            help="On a conflict, change nothing or write conflict markers [default: refuse]",
        ),
    ] = None,
    go_on: Annotated[
        bool, typer.Option("--continue", help="Finish an update after you resolve its conflicts.")
    ] = False,
    abort: Annotated[bool, typer.Option("--abort", help="Undo an update that has conflict markers.")] = False,
    workspace: options.Workspace = None,
    dry_run: options.DryRun = False,
    as_json: options.AsJson = False,
) -> None:
    """Update services to a newer template.

    This merges the template's changes into the services (three-way merge). It never changes handlers, other parts or
    their tests. Each service is updated completely or not at all, and must have no uncommitted changes. Nothing is
    committed. If a service conflicts or fails, the others are still updated, and the exit code is 1.

    \b
    Examples:
      natsgen update billing
      natsgen update --all --dry-run
      natsgen update --all --json
      natsgen update billing --to 1.2.0
      natsgen update billing --conflicts inline
      natsgen update --continue billing
    """
    from natsgen import workspace as workspaces

    place = workspaces.find(workspace, Path.cwd())
    if go_on or abort:
        if to is not None or conflicts is not None:
            raise InputError("--to and --conflicts cannot be combined with --continue and --abort")
        if service and all_services:
            raise InputError("specify services or --all, not both")
        _end_unfinished(place, service or [], go_on=go_on, abort=abort, dry_run=dry_run, as_json=as_json)
        return
    names = wanted_services(place, service or [], all_services=all_services)
    wanted = _options(to, conflicts, dry_run=dry_run)
    results = carry_out(place, names, wanted)
    update_report.show(place, results, dry_run=dry_run, as_json=as_json)


def wanted_services(place: Workspace, named: Sequence[str], *, all_services: bool) -> tuple[str, ...]:
    """Return the services that the command line means.

    Raises:
        InputError: it names none, or some and all; or there is no such service.
    """
    from natsgen.services import listing

    if bool(named) == all_services:
        raise InputError("specify services or --all, not both")
    names = listing.names(place) if all_services else tuple(dict.fromkeys(named))
    for name in names:
        listing.require_service(place, name)
    return names


def carry_out(place: Workspace, names: Sequence[str], wanted: Any) -> tuple[Result, ...]:
    """Updates the services as the `fleet.Options` say, and shows how far it is."""
    from natsgen.cli.progress import Progress
    from natsgen.update import fleet

    with Progress("updating") as bar:
        return fleet.update(place, names, wanted, notify=output.note, progress=bar.show)


def _options(to: str | None, conflicts: str | None, *, dry_run: bool) -> Any:
    from natsgen.update import fleet

    if conflicts not in (None, REFUSE, INLINE):
        raise InputError(f"--conflicts: invalid value {conflicts!r} (choose {REFUSE} or {INLINE})")
    return fleet.Options(to=to, inline=conflicts == INLINE, dry_run=dry_run)


def _end_unfinished(
    place: Workspace, named: Sequence[str], *, go_on: bool, abort: bool, dry_run: bool, as_json: bool
) -> None:
    from natsgen.services import listing
    from natsgen.update import unfinished

    if go_on and abort:
        raise InputError("specify --continue or --abort, not both")
    for name in named:
        listing.require_service(place, name)
    names = tuple(dict.fromkeys(named)) or unfinished.names(place)
    if not names:
        raise InputError(f"no unfinished update in {place.root}")
    ended = []
    for name in names:
        if go_on:
            found = unfinished.finish(place, name, output.note, dry_run=dry_run)
            ended.append({"name": name, "status": "finished", "version": found.after})
        else:
            change = unfinished.abort(place, name, output.note, dry_run=dry_run)
            ended.append({"name": name, "status": "put back", **({"diff": change.diff()} if dry_run else {})})
    if as_json:
        output.document({"workspace": str(place.root), "dry_run": dry_run, "services": ended})
        return
    would = "would be " if dry_run else ""
    lines = output.columns([(one["name"], would + one["status"], one.get("version", "")) for one in ended])
    output.result("\n".join([*(one["diff"] for one in ended if "diff" in one), *lines]))
    if dry_run:
        output.note("nothing was changed")
