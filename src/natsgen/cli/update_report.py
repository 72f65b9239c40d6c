"""What became of services that were updated, or answered anew: as a table, a diff, or one JSON document."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import typer

from natsgen.cli import output
from natsgen.errors import FAILED
from natsgen.transaction.change import Change

if TYPE_CHECKING:
    from natsgen.update.fleet import Result
    from natsgen.workspace import Workspace


def show(place: Workspace, results: Sequence[Result], *, dry_run: bool, as_json: bool) -> None:
    """Tells what became of the services.

    Raises:
        typer.Exit: some conflict or failed; with exit code 1.
    """
    from natsgen.update import fleet

    if as_json:
        output.document(_document(place, results, dry_run=dry_run))
    elif dry_run:
        _show_dry_run(place, results)
    elif results:
        output.result("\n".join(_lines(results)))
    else:
        output.note(output.no_services(place.root))
    if any(result.status in (fleet.CONFLICTING, fleet.FAILED) for result in results):
        raise typer.Exit(FAILED)


def _lines(results: Sequence[Result]) -> Iterator[str]:
    yield from output.columns([_row(result) for result in results])
    yield from (line for result in results for line in _details(result))
    yield ""
    yield _summary(results)


def _row(result: Result) -> tuple[str, str, str]:
    if result.before == result.after or not result.after:
        return result.service, result.status, result.before
    return result.service, result.status, f"{result.before} -> {result.after}"


def _details(result: Result) -> Iterator[str]:
    said = []
    if result.error:
        said.append(result.error)
    if result.plan is not None:
        said += [f"{one.path}: {one.why}" for one in result.plan.conflicts]
        said += [f"{path}: changed by the template, removed here; not restored" for path in result.plan.left_out]
        said += [f"{old} was renamed to {new}, with your changes" for old, new in (result.plan.renamed or {}).items()]
        said += list(result.plan.migrations)
        said += [
            f"{path}: written once and kept as it is, although the new answers make it different; edit it yourself"
            for path in result.plan.kept
        ]
    if said:
        yield ""
        yield f"{result.service}:"
        yield from (f"  {output.printable(line)}" for line in said)


def _summary(results: Sequence[Result]) -> str:
    from natsgen.update import fleet

    counts = [
        f"{sum(result.status == status for result in results)} {status}"
        for status in (fleet.UPDATED, fleet.CURRENT, fleet.CONFLICTING, fleet.FAILED)
    ]
    return ", ".join(counts)


def _show_dry_run(place: Workspace, results: Sequence[Result]) -> None:
    plans = [result.plan for result in results if result.plan is not None]
    files = {path for plan in plans for path in (*plan.change.before, *plan.change.after)}
    output.dry_run("".join(plan.change.diff() for plan in plans), len(files), "changed", place.root)
    for line in _lines(results):
        output.note(line)


def _document(place: Workspace, results: Sequence[Result], *, dry_run: bool) -> dict[str, Any]:
    return {
        "workspace": str(place.root),
        "dry_run": dry_run,
        "services": [_result_document(result, dry_run=dry_run) for result in results],
    }


def _result_document(result: Result, *, dry_run: bool) -> dict[str, Any]:
    document: dict[str, Any] = {
        "name": result.service,
        "status": result.status,
        "from": result.before or None,
        "to": result.after or None,
        "error": result.error or None,
        "uncommitted": [str(path) for path in result.uncommitted],
    }
    plan = result.plan
    document["conflicts"] = [{"path": str(one.path), "why": one.why} for one in plan.conflicts] if plan else []
    change = plan.change if plan else Change()
    document |= {
        "added": [str(path) for path in change.added],
        "changed": [str(path) for path in change.replaced],
        "removed": [str(path) for path in change.removed],
        "left_out": [str(path) for path in plan.left_out] if plan else [],
        "kept": [str(path) for path in plan.kept] if plan else [],
    }
    return {**document, "diff": change.diff()} if dry_run else document
