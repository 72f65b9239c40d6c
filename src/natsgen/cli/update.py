"""`natsgen update`: updates services to a newer template, and keeps the owner's changes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from natsgen.cli import options, output
from natsgen.cli.options import switch, value
from natsgen.errors import InputError
from natsgen.transaction.change import Change

if TYPE_CHECKING:
    from natsgen.files.workspace import Workspace
    from natsgen.update.fleet import Options, Result


def update(
    how: options.Writing,
    service: options.Services = None,
    all_services: options.All = False,
    to: str | None = value("VERSION", "Template version [default: the newest]"),
    conflicts: str | None = value(
        "refuse|inline", "On a conflict, change nothing or write conflict markers [default: refuse]"
    ),
    go_on: bool = switch("--continue", "Finish an update after you resolve its conflicts."),
    abort: bool = switch("--abort", "Undo an update that has conflict markers."),
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
    from natsgen.update import fleet

    if go_on or abort:
        if to is not None or conflicts is not None:
            raise InputError("--to and --conflicts cannot be combined with --continue and --abort")
        if go_on and abort:
            raise InputError("specify --continue or --abort, not both")
        if service and all_services:
            raise InputError("specify services or --all, not both")
        _end_unfinished(how, service or [], go_on=go_on)
        return
    names = wanted_services(how.place, service or [], all_services=all_services)
    if conflicts not in (None, "refuse", "inline"):
        raise InputError(f"--conflicts: invalid value {conflicts!r} (choose refuse or inline)")
    carry_out(how, names, fleet.Options(to=to, inline=conflicts == "inline"))


def wanted_services(place: Workspace, named: Sequence[str], *, all_services: bool) -> tuple[str, ...]:
    """Return the services that the command line names.

    Raises:
        InputError: neither or both of services and `--all` are given, or a service does not exist.
    """
    from natsgen.services import listing

    if bool(named) == all_services:
        raise InputError(f"specify services or --all{', not both' if named else ''}")
    names = listing.names(place) if all_services else tuple(dict.fromkeys(named))
    for name in names:
        listing.require_service(place, name)
    return names


def carry_out(how: options.Writing, names: Sequence[str], wanted: Options) -> None:
    """Update the services with a progress bar, and report the results.

    Raises:
        typer.Exit: with exit code 1, if a service conflicts or fails.
    """
    from natsgen.cli import progress
    from natsgen.update import fleet

    with progress.bar("updating") as show:
        results = fleet.update(how.writer, names, wanted, show)
    lines = list(_lines(results, dry_run=how.dry_run)) if results else [output.no_services(how.place.root)]
    if how.dry_run and not how.as_json:
        changes = [result.plan.change for result in results if result.plan is not None]
        files = {path for change in changes for path in (*change.before, *change.after)}
        output.dry_run("".join(change.diff() for change in changes), len(files), "changed", how.place.root)
    is_result = results and not how.dry_run
    how.end(
        _whole(how, [_document(result, dry_run=how.dry_run) for result in results]),
        lines if is_result else (),
        "" if is_result else "\n".join(lines),
        failed=any(result.status in (fleet.CONFLICTING, fleet.FAILED) for result in results),
    )


def _whole(how: options.Writing, services: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {"workspace": how.place.root, "dry_run": how.dry_run, "services": services}


def _lines(results: Sequence[Result], *, dry_run: bool) -> Iterator[str]:
    from natsgen.update import fleet

    would = {fleet.UPDATED: f"would be {fleet.UPDATED}"} if dry_run else {}
    yield from output.columns([_row(result, would.get(result.status, result.status)) for result in results])
    yield from (line for result in results for line in output.section(f"{result.service}:", [*_details(result)]))
    yield ""
    statuses = [result.status for result in results]
    known = (fleet.UPDATED, fleet.CURRENT, fleet.CONFLICTING, fleet.FAILED)
    yield ", ".join(f"{statuses.count(status)} {would.get(status, status)}" for status in known)


def _row(result: Result, status: str) -> tuple[str, str, str]:
    if result.before == result.after or not result.after:
        return result.service, status, result.before
    return result.service, status, f"{result.before} -> {result.after}"


def _details(result: Result) -> Iterator[str]:
    if result.error:
        yield result.error
    if result.plan is None:
        return
    yield from (f"{one.path}: {one.why}" for one in result.plan.conflicts)
    yield from (f"{path}: changed by the template, removed here; not restored" for path in result.plan.left_out)
    yield from (f"{old} was renamed to {new}, with your changes" for old, new in result.plan.renamed.items())
    yield from result.plan.migrations
    for path in result.plan.kept:
        yield f"{path}: not changed, because natsgen writes it only once; adapt it to the new answers yourself"


def _document(result: Result, *, dry_run: bool) -> dict[str, Any]:
    plan = result.plan
    change = plan.change if plan else Change()
    document: dict[str, Any] = {
        "name": result.service,
        "status": result.status,
        "from": result.before or None,
        "to": result.after or None,
        "error": result.error or None,
        "uncommitted": result.uncommitted,
        "conflicts": [{"path": one.path, "why": one.why} for one in plan.conflicts] if plan else [],
        "added": change.added,
        "changed": change.replaced,
        "removed": change.removed,
        "left_out": plan.left_out if plan else [],
        "kept": plan.kept if plan else [],
    }
    return {**document, "diff": change.diff()} if dry_run else document


def _end_unfinished(how: options.Writing, named: Sequence[str], *, go_on: bool) -> None:
    from natsgen.services import listing
    from natsgen.update import unfinished

    for name in named:
        listing.require_service(how.place, name)
    names = tuple(dict.fromkeys(named)) or unfinished.names(how.place)
    if not names:
        raise InputError(f"no unfinished update in {how.place.root}")
    ended = []
    for name in names:
        if go_on:
            found = unfinished.finish(how.writer, name)
            ended.append({"name": name, "status": "finished", "version": found.after})
        else:
            change = unfinished.abort(how.writer, name)
            ended.append({"name": name, "status": "put back", **({"diff": change.diff()} if how.dry_run else {})})
    would = "would be " if how.dry_run else ""
    lines = output.columns([(one["name"], would + one["status"], one.get("version", "")) for one in ended])
    diffs = [one["diff"] for one in ended if "diff" in one]
    how.end(_whole(how, ended), [*diffs, *lines], "nothing was changed" if how.dry_run else "")
