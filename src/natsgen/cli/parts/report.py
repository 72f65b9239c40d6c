"""What the commands share that add a part to a service or remove one: where, and what a person or a script is told."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from natsgen.cli import next_steps, output, templates
from natsgen.parts.kinds import is_persons_own
from natsgen.workspace import SERVICES

if TYPE_CHECKING:
    from natsgen.parts.kind import Leftover, Part
    from natsgen.services.edit import Added, Removed, ServiceTarget


def packages_of(service: str, paths: Sequence[PurePosixPath]) -> list[str]:
    """The packages that come or go with files of a service: those of which the marker is among them."""
    from natsgen.parts import packages

    place = PurePosixPath(SERVICES, service)
    return [package.name for package in packages.PACKAGES if place / package.marker in paths]


@contextmanager
def target(service: str, workspace: Path | None, *, dry_run: bool) -> Iterator[ServiceTarget]:
    """Where a command works that names a service, and perhaps a workspace, as long as the service's template is open.

    An older service grows with what its own version of the template makes.
    """
    from natsgen import workspace as workspaces
    from natsgen.answers import questions
    from natsgen.services import edit

    place = workspaces.find(workspace, Path.cwd())
    with templates.of_service(place, service) as (template, _):
        yield edit.ServiceTarget(place, template, questions.read(template.folder), service, dry_run, output.note)


def add(part: Part, service: str, workspace: Path | None, *, dry_run: bool, as_json: bool) -> None:
    """Adds a part to a service and tells of it."""
    from natsgen.services import edit

    with target(service, workspace, dry_run=dry_run) as where:
        added(where, edit.add(where, part), as_json=as_json)


def added(where: ServiceTarget, done: Added, *, as_json: bool) -> None:
    """Tells that a part came, and what it does."""
    part, change = done.part, done.change
    here = Path.cwd()
    test = next_steps.to_test(where.workspace, where.service, here, str(part.kind.test(part.name)))
    run = next_steps.to_run(where.workspace, where.service, here)
    story = [
        f"Added the {part.kind.noun} {part.name} to {where.service} in {where.workspace.root}",
        *_files(where.service, change.added, "with"),
        f"  it {part.story(where.service)}",
        "",
        "Next, from here:",
        "  test it:",
        f"    {test}",
        f"  run it; a service finds its {part.kind.question} when it starts:",
        f"    {run}",
    ]
    facts = {part.kind.noun: part.name, **part.facts(where.service), "created": list(map(str, change.added))}
    _tell(where, done, story, {**facts, "next": (test, run)}, as_json=as_json)


def removed(where: ServiceTarget, done: Removed, *, as_json: bool) -> None:
    """Tells that a part went, what does not work without it, and what is to be deleted on the NATS server."""
    file, service = done.file, where.service
    kind = file.kind
    left = [one for part in file.parts for one in part.on_server(service)]
    commands = [_deletion(one) for one in sorted(left, key=lambda one: one.what, reverse=True)]
    abouts = [about.text for part in file.parts if (about := part.about(service))]
    facts: dict[str, object] = {kind.abouts: abouts}
    if kind.leaves:
        facts = {what: [_leftover(one) for one in left if one.what == what] for what in kind.leaves}
    story = [f"Removed the {kind.noun} {file.name} from {service} in {where.workspace.root}"]
    story += _files(service, done.change.removed, "and")
    if commands:
        story += ["", f"These stay on the server. When no worker with this {kind.noun} runs any more, delete them:"]
        story += [f"  {output.printable(command)}" for command in commands]
    elif kind.goodbye and abouts:
        story += ["", *(output.printable(kind.goodbye.format(service=service, about=about)) for about in abouts)]
    facts = {kind.noun: file.name, "removed": list(map(str, done.change.removed)), **facts}
    _tell(where, done, story, {**facts, "next": commands}, as_json=as_json)


def _deletion(left: Leftover) -> str:
    stream, name = shlex.quote(left.stream), shlex.quote(left.name)
    return (
        f"nats stream purge {stream} --subject {name}"
        if left.what == "schedules"
        else f"nats consumer rm {stream} {name}"
    )


def _leftover(left: Leftover) -> dict[str, str]:
    return {"stream": left.stream, "subject" if left.what == "schedules" else "durable": left.name}


def _files(service: str, paths: Sequence[PurePosixPath], word: str) -> Iterator[str]:
    """The lines that say which files came or went: those of the part, and how many of which packages."""
    place = PurePosixPath(SERVICES, service)
    of_part = [path for path in paths if is_persons_own(path.relative_to(place))]
    yield from (f"  {path}" for path in of_part)
    if more := [path for path in paths if path not in of_part]:
        from natsgen.services import service_packages

        names = packages_of(service, more)
        count = f"{len(more)} file{'s' if len(more) > 1 else ''}"
        yield f"  {word} {service_packages.told(names)} ({count})" if names else f"  {word} {count} more"


def _tell(
    where: ServiceTarget, done: Added | Removed, story: Sequence[str], facts: Mapping[str, object], *, as_json: bool
) -> None:
    whole = {"service": where.service, **facts, "notes": done.notes}
    root, notes = where.workspace.root, done.notes
    output.report(root, done.change, whole, story, is_dry_run=where.dry_run, as_json=as_json, notes=notes)
