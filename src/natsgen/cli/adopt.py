"""`natsgen adopt`: a hand-written worker comes under natsgen's care."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from natsgen.cli import next_steps, options, output, templates
from natsgen.workspace import SERVICES

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
    verbose: Annotated[bool, typer.Option("--verbose", help="Name every file.")] = False,
    workspace: options.Workspace = None,
    no_input: options.NoInput = False,
    dry_run: options.DryRun = False,
    as_json: options.AsJson = False,
) -> None:
    """Bring a hand-written worker under natsgen's care.

    The worker must follow the reference structure: src/domain/handlers/__init__.py subscribes handlers that are in
    files *_handler.py beside it. Its answers are inferred and written down, and what differs from the template is
    told; natsgen check, diff and update know it from then on. It must be committed.

    With --replace, at once or later, its infrastructure becomes the template's. Its version, its dependencies, the
    Docker network that it joins, its handlers, its tests and its own models stay. A terminal is asked before.

    \b
    Examples:
      natsgen adopt services/billing
      natsgen adopt services/billing --replace --dry-run
    """
    from natsgen import workspace as workspaces
    from natsgen.answers import questions
    from natsgen.update import adoption

    place = workspaces.find(workspace, Path.cwd())
    with templates.for_new(None, place) as template:

        def adopted(*, dry_run: bool) -> Adoption:
            asked = questions.read(template.folder)
            return adoption.adopt(place, template, asked, path, replace=replace, dry_run=dry_run, notify=output.note)

        if replace and output.can_ask() and not (no_input or dry_run or as_json):
            _ask(adopted(dry_run=True))
        done = adopted(dry_run=dry_run)
    if as_json:
        output.document(_document(place, done, dry_run=dry_run))
    elif dry_run:
        count = len({*done.change.before, *done.change.after})
        output.dry_run(done.change.diff(), count, "changed", place.root)
        output.note("\n".join(_differences(done, replaced=replace, verbose=verbose)))
    else:
        output.result("\n".join(_story(place, done, replaced=replace, verbose=verbose)))


def _ask(would_be: Adoption) -> None:
    """Asks before files are replaced; anything but yes ends the command."""
    what = f"{len(would_be.differing)} files of {would_be.service} become the template's; git has them as they are now."
    reason = "\n".join([what, *would_be.notes])
    if output.ask("Replace them, yes or no", "no", reason).lower() not in ("y", "yes"):
        raise typer.Abort


def _story(place: Workspace, done: Adoption, *, replaced: bool, verbose: bool) -> Iterator[str]:
    yield f"Adopted {done.service} in {place.root}"
    yield from (f"  {line}" for line in output.columns([(key, str(value)) for key, value in done.answers.items()]))
    yield from _differences(done, replaced=replaced, verbose=verbose)
    yield ""
    yield "Next, from here:"
    for what, command in _next(place, done, replaced=replaced):
        yield f"  {what}:"
        yield f"    {command}"


def _next(place: Workspace, done: Adoption, *, replaced: bool) -> Iterator[tuple[str, str]]:
    here, service = Path.cwd(), done.service
    if not replaced:
        yield "see what differs from the template", f"natsgen diff {service}"
        yield (
            "make its infrastructure the template's, once this is committed",
            f"natsgen adopt {next_steps.seen_from(here, place.root / SERVICES / service)} --replace",
        )
        return
    yield (
        "see what changed, and commit it",
        f"git diff -- {next_steps.seen_from(here, place.root / SERVICES / service)}",
    )
    yield "pin its dependencies", f"natsgen lock {service}"
    yield "install", next_steps.to_install(place, service, here)
    yield "test", next_steps.to_test(place, service, here)


def _differences(done: Adoption, *, replaced: bool, verbose: bool) -> Iterator[str]:
    for title, paths in (
        ("Replaced by the template's:" if replaced else "Not as the template makes them:", done.differing),
        ("Added from the template:" if replaced else "Not there:", done.missing),
    ):
        if paths:
            yield ""
            count = f"{len(paths)} file{'s' if len(paths) > 1 else ''}"
            yield title if verbose else f"{title} {count} (--verbose names them)"
            yield from (f"  {path}" for path in paths if verbose)
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
