"""`natsgen adopt`: a hand-written worker comes under natsgen's care."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from natsgen.cli import options, output, templates

if TYPE_CHECKING:
    from natsgen.update.adoption import Adoption
    from natsgen.workspace import Workspace


def adopt(
    path: Annotated[
        Path, typer.Argument(metavar="PATH", help="The service's folder, under services/.", show_default=False)
    ],
    replace: Annotated[
        bool,
        typer.Option("--replace", help="Make its infrastructure the template's; handlers get their subscription."),
    ] = False,
    workspace: options.Workspace = None,
    no_input: options.NoInput = False,
    dry_run: options.DryRun = False,
    as_json: options.AsJson = False,
) -> None:
    """Bring a hand-written worker under natsgen's care.

    The worker must follow the reference structure: src/domain/handlers/__init__.py subscribes handlers that are in
    files *_handler.py beside it. Its answers are inferred and written down, and what differs from the template is
    told; natsgen check, diff and update know it from then on. It must be committed.

    \b
    Examples:
      natsgen adopt services/billing
      natsgen adopt services/billing --replace --dry-run
    """
    from natsgen import questions
    from natsgen import workspace as workspaces
    from natsgen.update import adoption

    place = workspaces.find(workspace, Path.cwd())
    with templates.for_new(None, place) as template:
        done = adoption.adopt(
            place,
            template,
            questions.read(template.folder),
            path,
            replace=replace,
            dry_run=dry_run,
            notify=output.note,
        )
    if as_json:
        output.document(_document(place, done, dry_run=dry_run))
    elif dry_run:
        count = len({*done.change.before, *done.change.after})
        output.dry_run(done.change.diff(), count, "changed", place.root)
        output.note("\n".join(_differences(done, replaced=replace)))
    else:
        output.result("\n".join(_story(place, done, replaced=replace)))


def _story(place: Workspace, done: Adoption, *, replaced: bool) -> Iterator[str]:
    yield f"Adopted {done.service} in {place.root}"
    yield from (f"  {line}" for line in output.columns([(key, str(value)) for key, value in done.answers.items()]))
    yield from _differences(done, replaced=replaced)


def _differences(done: Adoption, *, replaced: bool) -> Iterator[str]:
    for title, paths in (
        ("Replaced by the template's:" if replaced else "Not as the template makes them:", done.differing),
        ("Added from the template:" if replaced else "Not there:", done.missing),
    ):
        if paths:
            yield ""
            yield title
            yield from (f"  {path}" for path in paths)
    if done.notes:
        yield ""
        yield from done.notes


def _document(place: Workspace, done: Adoption, *, dry_run: bool) -> dict[str, object]:
    document: dict[str, object] = {
        "service": done.service,
        "workspace": str(place.root),
        "dry_run": dry_run,
        "answers": done.answers,
        "added": [str(path) for path in done.change.added],
        "changed": [str(path) for path in done.change.replaced],
        "differing": [str(path) for path in done.differing],
        "missing": [str(path) for path in done.missing],
        "notes": list(done.notes),
    }
    return {**document, "diff": done.change.diff()} if dry_run else document
