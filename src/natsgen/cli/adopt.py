"""`natsgen adopt`: brings an existing worker under natsgen management."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from natsgen import messages
from natsgen.cli import next_steps, options, output, templates
from natsgen.cli.options import argument, switch
from natsgen.files.workspace import SERVICES

if TYPE_CHECKING:
    from natsgen.files.workspace import Workspace
    from natsgen.update.adoption import Adoption


def adopt(
    how: options.Writing,
    path: Path = argument("PATH", "The service's folder, under services/."),
    replace: bool = switch("--replace", "Replace the infrastructure with the template's, and subscribe the handlers."),
    verbose: bool = switch("--verbose", "List every file."),
) -> None:
    """Bring an existing worker under natsgen management.

    The worker must follow the reference structure: src/domain/handlers/__init__.py subscribes handlers from files
    *_handler.py beside it. natsgen infers and records its answers, and lists what differs from the template. After
    that, natsgen check, diff and update work on it. Commit the worker first.

    With --replace, now or later, natsgen replaces the worker's infrastructure with the template's. The worker's
    version, dependencies, Docker network, handlers, tests and models stay. On a terminal, natsgen asks first.

    \b
    Examples:
      natsgen adopt services/billing
      natsgen adopt services/billing --replace --dry-run
    """
    from natsgen.answers import questions
    from natsgen.update import adoption

    with templates.for_new(None, how.place) as template:
        asked = questions.read(template.folder)
        if replace and output.can_ask() and not (how.dry_run or how.as_json):
            trial = dataclasses.replace(how.writer, dry_run=True)
            _ask(adoption.adopt(trial, template, asked, path, replace=replace))
        done = adoption.adopt(how.writer, template, asked, path, replace=replace)
    change = done.change
    facts = {key: getattr(done, key) for key in ("service", "answers", "differing", "missing", "notes")}
    document = {**facts, "added": change.added, "changed": change.replaced}
    how.report(change, document, _story(how.place, done, replaced=replace, verbose=verbose))
    if how.dry_run and not how.as_json:
        output.note("\n".join(_differences(done, replaced=replace, verbose=verbose)))


def _ask(would_be: Adoption) -> None:
    """Ask before replacing files; any answer but yes ends the command."""
    files = f"{len(would_be.differing)} files of {would_be.service}"
    reason = [f"This replaces {files} by the template's; git keeps the old ones.", *would_be.notes]
    if not output.confirm("Replace them (yes or no)?", "\n".join(reason)):
        raise typer.Abort


def _story(place: Workspace, done: Adoption, *, replaced: bool, verbose: bool) -> Iterator[str]:
    yield f"Adopted {done.service} in {place.root}"
    yield from (f"  {line}" for line in output.columns([(key, str(value)) for key, value in done.answers.items()]))
    yield from _differences(done, replaced=replaced, verbose=verbose)
    yield ""
    yield "Next, from here:"
    for what, command in _next(place, done.service, replaced=replaced).items():
        yield f"  {what}:"
        yield f"    {command}"


def _next(place: Workspace, service: str, *, replaced: bool) -> dict[str, str]:
    here = Path.cwd()
    folder = next_steps.seen_from(here, place.root / SERVICES / service)
    if not replaced:
        return {
            "see what differs from the template": f"natsgen diff {service}",
            "commit this, then replace its infrastructure with the template's": f"natsgen adopt {folder} --replace",
        }
    return {
        "see what changed, and commit it": f"git diff -- {folder}",
        "pin its dependencies": f"natsgen lock {service}",
        "install": next_steps.to_install(place, service, here),
        "test": next_steps.to_test(place, service, here),
    }


def _differences(done: Adoption, *, replaced: bool, verbose: bool) -> Iterator[str]:
    for title, paths in (
        ("Replaced by the template's:" if replaced else "Different from the template:", done.differing),
        ("Added from the template:" if replaced else "Missing:", done.missing),
    ):
        if paths:
            yield ""
            yield title if verbose else f"{title} {messages.counted(len(paths), 'file')} (--verbose lists them)"
            yield from (f"  {path}" for path in paths if verbose)
    if done.notes:
        yield ""
        yield from done.notes
