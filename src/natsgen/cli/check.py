"""`natsgen check` and `natsgen diff`: how far services are from what their template makes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from natsgen.cli import options, output
from natsgen.cli.update import All, Services, wanted_services
from natsgen.errors import FAILED, ServiceError

if TYPE_CHECKING:
    from natsgen.update.drift import Drift, DriftedFile


def check(
    service: Services = None,
    all_services: All = False,
    workspace: options.Workspace = None,
    no_input: options.NoInput = False,
    as_json: options.AsJson = False,
) -> None:
    """Check that services are current and as their template makes them.

    A service is behind if there is a newer version of its template; the files in which an update would find a conflict
    are told. Its files are compared with what its own version makes: a person changed them, they are missing, or they
    lack a change that a version made. Your own files do not count, such as handlers and settings, and neither do your
    dependencies and your version in pyproject.toml. What natsgen accept accepted is listed. A package that a part needs
    and that is missing, or is of another version, is told with the command that mends it. The exit code is 1 when
    there is something to do, so that CI can ask.

    \b
    Examples:
      natsgen check --all
      natsgen check billing --json
    """
    from natsgen import workspace as workspaces
    from natsgen.cli.progress import Progress
    from natsgen.update import drift

    place = workspaces.find(workspace, Path.cwd())
    names = wanted_services(place, service or [], all_services=all_services)
    with Progress("checking") as bar:
        found = drift.check(place, names, progress=bar.show)
    if as_json:
        output.document({"workspace": str(place.root), "services": [_document(one) for one in found]})
    elif found:
        output.result("\n".join(_lines(found)))
    else:
        output.note(f"there is no service in {place.root}; natsgen new makes one")
    if not all(one.is_clean for one in found):
        raise typer.Exit(FAILED)


def diff(
    service: options.Service,
    workspace: options.Workspace = None,
    no_input: options.NoInput = False,
    as_json: options.AsJson = False,
) -> None:
    """Show what was changed in the template's files of a service.

    The diff goes from what the service's version of the template makes to what is there. Applied in reverse, it gives
    the template's files back.

    \b
    Examples:
      natsgen diff billing
      natsgen diff billing | git apply --reverse
    """
    from natsgen import workspace as workspaces
    from natsgen.update import drift

    place = workspaces.find(workspace, Path.cwd())
    (found,) = drift.check(place, [service])
    if found.error:
        raise ServiceError(f"{service}: {found.error}")
    if as_json:
        output.document({"workspace": str(place.root), **_document(found), "diff": found.diff})
    elif found.diff:
        output.result(found.diff)
    else:
        output.note(f"{service} is as {found.version} of its template makes it")


def _lines(found: Sequence[Drift]) -> Iterator[str]:
    yield from output.columns([(one.service, *_state(one)) for one in found])
    for one in found:
        said = list(_details(one))
        if said:
            yield ""
            yield f"{one.service}:"
            yield from (f"  {output.printable(line)}" for line in said)


def _state(one: Drift) -> tuple[str, str]:
    if one.error:
        return "failed", one.version
    said = [f"{one.newest} is there"] if one.is_behind else []
    if one.conflicting:
        said.append(f"with conflicts in {_count(one.conflicting)}")
    if one.files:
        said.append(f"{_count(one.files)} not as made")
    if one.unfinished:
        said.append("an update is unfinished")
    if one.repairable:
        said.append("natsgen repair mends its packages")
    if one.accepted:
        said = said or ["current"]
        said.append(f"{_count(one.accepted)} changed and accepted")
    return one.version, ", ".join(said) or "current, and as made"


def _count(files: Sequence[object]) -> str:
    return f"{len(files)} file{'s' if len(files) > 1 else ''}"


def _details(one: Drift) -> Iterator[str]:
    if one.error:
        yield one.error
    yield from one.repairable
    for path in one.conflicting:
        yield f"{path}: changed here and in {one.newest}; natsgen update {one.service} --dry-run shows how"
    for file in one.files:
        yield f"{file.path}: {_how(file)}"
    if one.files:
        yield f"natsgen diff {one.service} shows how; natsgen accept {one.service} PATH records that it is on purpose"
    for file in one.accepted:
        yield f"{file.path}: {file.how}, and accepted"
    for path in one.unfinished:
        yield f"{path}: an update waits for a decision"


def _how(file: DriftedFile) -> str:
    if not file.since:
        return file.how
    return f"{file.how} from {file.since}" if file.how == "left over" else f"lacks what came after {file.since}"


def _document(one: Drift) -> dict[str, Any]:
    return {
        "name": one.service,
        "version": one.version or None,
        "newest": one.newest or None,
        "is_behind": one.is_behind,
        "is_clean": one.is_clean,
        "files": [{"path": str(file.path), "how": file.how, "since": file.since or None} for file in one.files],
        "accepted": [str(file.path) for file in one.accepted],
        "conflicting": [str(path) for path in one.conflicting],
        "unfinished": [str(path) for path in one.unfinished],
        "repairable": list(one.repairable),
        "error": one.error or None,
    }
