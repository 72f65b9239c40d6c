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
        typer.Option("--replace", help="Replace its infrastructure with the template's, and subscribe its handlers."),
    ] = False,
    verbose: Annotated[bool, typer.Option("--verbose", help="List every file.")] = False,
    workspace: options.Workspace = None,
    dry_run: options.DryRun = False,
    as_json: options.AsJson = False,
) -> None:
    """Bring an existing worker under natsgen management.

    The worker must follow the reference structure: src/domain/handlers/__init__.py subscribes handlers from files
    *_handler.py beside it. natsgen infers and records its answers and lists what differs from the template. Then
    natsgen check, diff and update work on it. Commit the worker first.

    --replace, now or later, replaces its infrastructure with the template's. Its version, dependencies, Docker network,
    handlers, tests and models stay. On a terminal, natsgen asks first.

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

        if replace and output.can_ask() and not (dry_run or as_json):
            _ask(adopted(dry_run=True))
        done = adopted(dry_run=dry_run)
    change = done.change
    document = {
        "service": done.service,
        "answers": done.answers,
        "added": [str(path) for path in change.added],
        "changed": [str(path) for path in change.replaced],
        "differing": [str(path) for path in done.differing],
        "missing": [str(path) for path in done.missing],
        "notes": list(done.notes),
    }
    story = _story(place, done, replaced=replace, verbose=verbose)
    output.report(place.root, change, document, story, is_dry_run=dry_run, as_json=as_json)
    if dry_run and not as_json:
        output.note("\n".join(_differences(done, replaced=replace, verbose=verbose)))


def _ask(would_be: Adoption) -> None:
    """Asks before files are replaced; anything but yes ends the command."""
    what = (
        f"{len(would_be.differing)} files of {would_be.service} are replaced by the template's; git keeps the old ones."
    )
    reason = "\n".join([what, *would_be.notes])
    if output.ask("Replace them (yes or no)?", "no", reason).lower() not in ("y", "yes"):
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
            "commit this, then replace its infrastructure with the template's",
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
        ("Replaced by the template's:" if replaced else "Different from the template:", done.differing),
        ("Added from the template:" if replaced else "Missing:", done.missing),
    ):
        if paths:
            yield ""
            count = f"{len(paths)} file{'s' if len(paths) > 1 else ''}"
            yield title if verbose else f"{title} {count} (--verbose lists them)"
            yield from (f"  {path}" for path in paths if verbose)
    if done.notes:
        yield ""
        yield from done.notes
