"""Finds how a service differs from its template, by rendering it again: the version alone is not enough.

A file that diverged once, by a wrongly resolved conflict or a copied file, for example, stays so through every later
update, because a merge sees no difference between the two versions there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from pathlib import PurePosixPath

from natsgen.answers import answers_file
from natsgen.answers.answers_file import AnswersFile
from natsgen.errors import NatsgenError, UntrustedTemplateError
from natsgen.files import by_key, file_merge, line_ends, tree
from natsgen.files.file_merge import Names
from natsgen.files.tree import File, Tree
from natsgen.files.workspace import SERVICES, Workspace
from natsgen.parts.packages import BY_NAME
from natsgen.rendering import render, versions
from natsgen.rendering.template_source import TemplateSource
from natsgen.services import listing
from natsgen.services.service_packages import ServicePackages
from natsgen.transaction import diff
from natsgen.update import accepted_file, parallel, planning, unfinished
from natsgen.update.planning import Task
from natsgen.update.sources import Sources

CHANGED, MISSING, LACKING, LEFT_OVER = "changed", "missing", "lacking", "left over"


@dataclass(frozen=True)
class DriftedFile:
    """A file of the template that is modified or missing.

    Attributes:
        path: the path in the workspace.
        how: `CHANGED` by the owner, `MISSING`, `LACKING` a change of a later version, or `LEFT_OVER` from an earlier
            version of a package.
        since: the version that the file is from; "" if it lacks no change.
        is_unedited: whether it is byte for byte the file of that version.
    """

    path: PurePosixPath
    how: str
    since: str = ""
    is_unedited: bool = False


@dataclass(frozen=True)
class Drift:
    """The result of a check of one service.

    Attributes:
        service: the service's name.
        version: its template version; "" if unknown.
        newest: the newest template version; "" if unknown.
        files: the modified files, without the accepted ones.
        accepted: the modified files whose changes the owner accepted.
        conflicting: the files in which an update to the newest version would conflict.
        unfinished: the files with conflicts of an unfinished update.
        repairable: what `natsgen repair` can repair, one sentence each.
        diff: the diff from its template version to the current files.
        error: why the service could not be checked.
    """

    service: str
    version: str = ""
    newest: str = ""
    files: tuple[DriftedFile, ...] = ()
    accepted: tuple[DriftedFile, ...] = ()
    conflicting: tuple[PurePosixPath, ...] = ()
    unfinished: tuple[PurePosixPath, ...] = ()
    repairable: tuple[str, ...] = ()
    diff: str = ""
    error: str = ""

    @property
    def is_behind(self) -> bool:
        """Return whether there is a newer version."""
        return versions.is_newer(self.newest, self.version)

    @property
    def is_clean(self) -> bool:
        """Return whether there is nothing to do."""
        return not (self.is_behind or self.files or self.unfinished or self.repairable or self.error)


@dataclass(frozen=True)
class _Wanted:
    """The inputs of a check: a service, its template, the newest version if newer, and the older ones, newest first."""

    memory: AnswersFile
    template: TemplateSource
    newest: str
    newest_template: TemplateSource | None
    older: tuple[TemplateSource, ...]

    @property
    def service(self) -> str:
        return self.memory.file.parent.name


def check(
    workspace: Workspace, services: Sequence[str], *, progress: Callable[[int, int], None] = lambda done, total: None
) -> tuple[Drift, ...]:
    """Compare services with their templates; change nothing.

    Args:
        workspace: the workspace.
        services: the services' names.
        progress: called with the number of finished services and the total.

    Returns:
        The results, in the order of `services`.

    Raises:
        InputError: a service does not exist.
    """
    for name in services:
        listing.require_service(workspace, name)
    found: dict[str, Drift] = {}
    wanted: list[_Wanted] = []
    with Sources(workspace) as sources:
        for name in services:
            try:
                wanted.append(_look_up(workspace, name, sources))
            except UntrustedTemplateError:
                raise
            except NatsgenError as error:
                found[name] = Drift(name, error=str(error))
        for one, result in parallel.each(partial(_compare, workspace), wanted):
            if isinstance(result, parallel.Failed):
                found[one.service] = Drift(one.service, one.memory.commit, one.newest, error=result.reason)
            else:
                found[one.service] = result
            progress(len(found), len(services))
    return tuple(found[name] for name in services)


@dataclass(frozen=True)
class Comparison:
    """A service compared with its template.

    Attributes:
        packages: the packages of the service.
        missing: why the service needs each missing package of its template, by name.
        made: the template-owned files of its version, with the packages that it should have.
        files: the modified and missing files.
    """

    packages: ServicePackages
    missing: Mapping[str, str]
    made: Tree
    files: tuple[DriftedFile, ...]


@contextmanager
def compared(workspace: Workspace, service: str) -> Iterator[Comparison]:
    """Provide a comparison of one service with its version of the template, whose files are there until the end.

    Raises:
        NatsgenError: the service cannot be compared; the message says why.
    """
    with Sources(workspace) as sources:
        yield _comparison(workspace, _look_up(workspace, service, sources))


def _look_up(workspace: Workspace, name: str, sources: Sources) -> _Wanted:
    memory = answers_file.read(listing.require_service(workspace, name))
    answers_file.require_matching_name(memory)
    known = sources.of(memory)
    template = known.template(memory.commit)
    older = [known.template(one) for one in reversed(known.versions) if versions.is_newer(memory.commit, one)]
    newest = known.template(known.newest) if versions.is_newer(known.newest, memory.commit) else None
    return _Wanted(memory, template, known.newest, newest, tuple(older))


def _compare(workspace: Workspace, wanted: _Wanted) -> Drift:
    found = _comparison(workspace, wanted)
    paths = [file.path for file in found.files]
    there = line_ends.as_rendered(tree.read_files(workspace, paths), found.made)
    pending = unfinished.of(workspace, wanted.service)
    known = accepted_file.read(workspace, wanted.service)
    accepted = {
        path for path in paths if accepted_file.digest(found.made.get(path), there.get(path)) in known.get(path, ())
    }
    return Drift(
        wanted.service,
        wanted.memory.commit,
        wanted.newest,
        tuple(file for file in found.files if file.path not in accepted),
        tuple(file for file in found.files if file.path in accepted),
        () if pending else tuple(_conflicting(workspace, wanted)),
        tuple(conflict.path for conflict in pending.conflicts) if pending else (),
        tuple(_repairable(found, wanted.memory.commit)),
        diff.unified({path: found.made[path] for path in paths if path in found.made}, there),
    )


def _conflicting(workspace: Workspace, wanted: _Wanted) -> Iterator[PurePosixPath]:
    """Yield the files in which an update to the newest version would conflict."""
    if wanted.newest_template is not None:
        values = wanted.memory.values
        plan = planning.plan(workspace, Task(wanted.service, wanted.template, wanted.newest_template, values, {}))
        yield from (conflict.path for conflict in plan.conflicts)


def _comparison(workspace: Workspace, wanted: _Wanted) -> Comparison:
    service, answers = wanted.service, wanted.memory.values
    held = ServicePackages(workspace, wanted.template, service, answers)

    @cache
    def made_by(template: TemplateSource) -> Tree:
        rendered = render.render(template, answers, workspace.root.name, held.wanted, held.facts)
        return planning.templates_own(service, rendered, template)

    def older(path: PurePosixPath) -> Iterator[tuple[str, File]]:
        """Yield the older versions that contain the file; rendered on demand, as most services have not drifted."""
        yield from ((one.commit, made_by(one)[path]) for one in wanted.older if path in made_by(one))

    made = made_by(wanted.template)
    there = line_ends.as_rendered(tree.read_files(workspace, made), made)
    files = [
        _drifted(path, file, there.get(path), older(path))
        for path, file in made.items()
        if not by_key.is_unmodified(path, there.get(path), file)
    ]
    left_over = (_left_over(workspace, path, older(path)) for path in held.not_made(made))
    folder = PurePosixPath(SERVICES, service)
    missing = {name: why for name, why in held.missing.items() if folder / BY_NAME[name].marker in made}
    return Comparison(held, missing, made, (*files, *(file for file in left_over if file)))


def _repairable(found: Comparison, version: str) -> Iterator[str]:
    """Yield the problems with a service's packages, each with the command that repairs it."""
    service, command = found.packages.service, f"natsgen repair {found.packages.service}"
    for name, needed_by in found.missing.items():
        yield f"the package {name} is missing, and {needed_by}: {command} adds it"
    if why := found.packages.why_deploys_are_unknown:
        yield why
    elif found.packages.are_deploys_outdated:
        yield f"the files in deploy/ do not match the source, such as its handlers: {command} updates them"
    since: dict[str, str] = {}
    lacking: set[str] = set()
    for file in found.files:
        for name in found.packages.packages_of(file.path) & found.packages.found:
            if file.is_unedited:
                since.setdefault(name, file.since)
            elif file.how == MISSING:
                lacking.add(name)
    for name, older in sorted(since.items()):
        of_versions = f"has files of {older}, but {service} is at {version}"
        yield f"the package {name} {of_versions}: {command} updates it"
    for name in sorted(lacking - set(since)):
        yield f"the package {name} lacks some of its files: {command} adds them"


def _drifted(path: PurePosixPath, made: File, there: File | None, older: Iterable[tuple[str, File]]) -> DriftedFile:
    if there is None:
        return DriftedFile(path, MISSING)
    for version, file in older:
        if file == made:
            continue
        merged, conflicts = file_merge.merge(path, there, file, made, Names("", "", ""))
        if merged != there and not conflicts:  # it lacks the template's change, which would merge cleanly
            return DriftedFile(path, LACKING, version, is_unedited=there == file)
    return DriftedFile(path, CHANGED)


def _left_over(workspace: Workspace, path: PurePosixPath, older: Iterable[tuple[str, File]]) -> DriftedFile | None:
    """Return a file that only an older version of the template renders; None if it is the owner's."""
    found = tree.read_files(workspace, [path])
    for version, file in older:
        if file == line_ends.as_rendered(found, {path: file}).get(path):
            return DriftedFile(path, LEFT_OVER, version, is_unedited=True)
    return None
