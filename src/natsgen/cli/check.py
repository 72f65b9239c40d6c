"""`natsgen check` and `natsgen diff`: show how services differ from their template."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from natsgen import messages
from natsgen.cli import options, output
from natsgen.cli.update import wanted_services
from natsgen.errors import ServiceError

if TYPE_CHECKING:
    from natsgen.update.drift import Drift, DriftedFile


def check(how: options.Reading, service: options.Services = None, all_services: options.All = False) -> None:
    """Check that services are up to date and unmodified.

    \b
    For each service, natsgen reports:
    - a newer template version, and the files in which an update would conflict
    - the template's files that you changed or removed, or that lack a change
      of an earlier update
    - packages that are missing or outdated
    - deployment files that do not match the source

    Your own files, such as handlers and settings, may differ, and so may your dependencies and version in
    pyproject.toml. Changes that you accepted with natsgen accept are listed, and do not count. The exit code is 1 if
    there is something to do, for use in CI.

    \b
    Examples:
      natsgen check --all
      natsgen check billing --json
    """
    from natsgen.cli import progress
    from natsgen.update import drift

    place = how.place
    names = wanted_services(place, service or [], all_services=all_services)
    with progress.bar("checking") as show:
        found = drift.check(place, names, progress=show)
    how.end(
        {"workspace": place.root, "services": map(_document, found)},
        _lines(found),
        "" if found else output.no_services(place.root),
        failed=not all(one.is_clean for one in found),
    )


def diff(service: options.Service, how: options.Reading) -> None:
    """Show how a service differs from its template.

    The diff is from the service's version of the template to the current files. Apply it in reverse to restore the
    template's files.

    \b
    Examples:
      natsgen diff billing
      natsgen diff billing | git apply --reverse
    """
    from natsgen.update import drift

    place = how.place
    (found,) = drift.check(place, [service])
    if found.error:
        raise ServiceError(f"{service}: {found.error}")
    nothing = "" if found.diff else f"{service} does not differ from {found.version} of its template"
    how.end({"workspace": place.root, **_document(found), "diff": found.diff}, [found.diff], nothing)


def _lines(found: Sequence[Drift]) -> Iterator[str]:
    yield from output.columns([(one.service, *_state(one)) for one in found])
    for one in found:
        yield from output.section(f"{one.service}:", [*_details(one)])


def _state(one: Drift) -> tuple[str, str]:
    if one.error:
        return "failed", one.version
    said = [f"{one.newest} available"] if one.is_behind else []
    if one.conflicting:
        said.append(f"conflicts in {messages.counted(len(one.conflicting), 'file')}")
    missing = sum(file.how == "missing" for file in one.files)
    for number, how in ((len(one.files) - missing, "modified"), (missing, "missing")):
        if number:
            said.append(f"{messages.counted(number, 'file')} {how}")
    if one.unfinished:
        said.append("unfinished update")
    if one.repairable:
        said.append("packages need natsgen repair")
    if one.accepted:
        said = said or ["up to date"]
        said.append(f"{messages.counted(len(one.accepted), 'file')} modified and accepted")
    return one.version, ", ".join(said) or "up to date"


def _details(one: Drift) -> Iterator[str]:
    if one.error:
        yield one.error
    yield from one.repairable
    for path in one.conflicting:
        yield f"{path}: changed here and in {one.newest}; see natsgen update {one.service} --dry-run"
    for file in one.files:
        yield f"{file.path}: {_how(file)}"
    if one.files:
        yield f"to undo every change, run natsgen diff {one.service} | git apply --reverse"
        yield f"to keep a change, run natsgen accept {one.service} PATH"
    for file in one.accepted:
        yield f"{file.path}: {file.how} and accepted"
    for path in one.unfinished:
        yield f"{path}: resolve the conflict of the unfinished update"


def _how(file: DriftedFile) -> str:
    if not file.since:
        return file.how
    return (
        f"{file.how} from {file.since}" if file.how == "left over" else f"missing template changes since {file.since}"
    )


def _document(one: Drift) -> dict[str, Any]:
    return {
        "name": one.service,
        "version": one.version or None,
        "newest": one.newest or None,
        "is_behind": one.is_behind,
        "is_clean": one.is_clean,
        "files": [{"path": file.path, "how": file.how, "since": file.since or None} for file in one.files],
        "accepted": [file.path for file in one.accepted],
        "conflicting": one.conflicting,
        "unfinished": one.unfinished,
        "repairable": one.repairable,
        "error": one.error or None,
    }
