"""How a part of a service comes and goes, of whatever kind: its file, its test, and the packages that it needs.

The packages come with the first part that needs them and go with the last. No other file is touched.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Generic, TypeVar

from natsgen import messages
from natsgen.answers import answers_file
from natsgen.answers.answers import Answers
from natsgen.answers.questions import Questionnaire
from natsgen.errors import ConflictError, InputError, TemplateError
from natsgen.files import line_ends, reading
from natsgen.files.tree import File, Tree
from natsgen.parts import packages
from natsgen.parts.kinds import Part, PartFile, PartKind
from natsgen.rendering import render
from natsgen.rendering.template_source import TemplateSource
from natsgen.services import listing, service_packages
from natsgen.services.listing import GATEWAY
from natsgen.services.service_packages import Leaving, ServicePackages
from natsgen.transaction import transaction
from natsgen.transaction.change import Change
from natsgen.workspace import SERVICES, Workspace

_Part = TypeVar("_Part", bound=Part)
_File = TypeVar("_File", bound=PartFile)


@dataclass(frozen=True)
class ServiceTarget:
    """Where a part comes or goes, and how.

    Attributes:
        workspace: where the service is.
        template: what is rendered.
        questionnaire: the template's questions.
        service: the service's name.
        dry_run: find out everything and change nothing.
        notify: is told what else happened, such as that an interrupted command was finished.
    """

    workspace: Workspace
    template: TemplateSource
    questionnaire: Questionnaire
    service: str
    dry_run: bool
    notify: Callable[[str], None]

    @property
    def folder(self) -> Path:
        """The service's folder."""
        return self.workspace.root / SERVICES / self.service

    def answers(self) -> Answers:
        """What the service was made with.

        Raises:
            ServiceError: its answers cannot be used.
        """
        return answers_file.answers_of(answers_file.read(self.folder), self.questionnaire, self.workspace.root)

    def packages(self) -> ServicePackages:
        """The packages that the service has, and those that it may get.

        Raises:
            ServiceError: its answers cannot be used.
        """
        return ServicePackages(self.workspace, self.template, self.service, self.answers().as_data())


@dataclass(frozen=True)
class Added(Generic[_Part]):
    """A part that was added, or would be.

    Attributes:
        part: which one.
        change: its files, and those of the packages that it needs.
        notes: what the person should know beside.
    """

    part: _Part
    change: Change
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Removed(Generic[_File]):
    """The file of a part that was removed, or would be.

    Attributes:
        file: as it was.
        change: the files that go.
        notes: what the person should know beside.
    """

    file: _File
    change: Change
    notes: tuple[str, ...]


def add(site: ServiceTarget, kind: PartKind, fit: Callable[[Path], tuple[_Part, Iterable[str]]]) -> Added[_Part]:
    """Adds a part and its test to a service, with the packages that it needs, whole or not at all.

    Args:
        site: where and how.
        kind: of the part.
        fit: the part as it fits what is in the service's folder, and notes about it; raises where it does not fit.

    Raises:
        InputError: there is no such service.
        NatsgenError: it could not be done; the workspace is as before.
    """
    with session(site) as folder:
        part, notes = fit(folder)
        files = render.render_part(site.template, site.answers().as_data(), kind, part)
        change = Change(after={**files, **site.packages().coming(packages.needs_of_part(kind, part.answer()))})
        carry_out(site, change, f"add-{kind.noun} {site.service} {part.name}")
    return Added(part, change, tuple(notes))


def remove(
    site: ServiceTarget, kind: PartKind, files: Callable[[Path], Sequence[_File]], text: str, *, force: bool
) -> Removed[_File]:
    """Removes the file of a part and its test from a service, whole or not at all.

    The packages go as well that only it needed, unless somebody imports or edited them.

    Args:
        site: where and how.
        kind: of the part.
        files: those of that kind in a service's folder.
        text: the part's name as a person types it: `order_created`, `order-created` or the file's name.
        force: remove them although a person changed them.

    Raises:
        InputError: there is no such service, or no such part.
        ConflictError: a person changed one of the files, and `force` is not given.
        NatsgenError: it could not be done; the workspace is as before.
    """
    with session(site) as folder:
        file = _file_of(kind, site.service, text, files(folder))
        change = _removal(site, file)
        if not force:
            _refuse_edited(site, file, change)
        leaving = _leaving_with(site, kind, change)
        change = with_packages(site, change, leaving.files)
        notes = (*_notes_without(site, file), *leaving.notes())
        carry_out(site, change, f"remove-{kind.noun} {site.service} {file.name}")
    return Removed(file, change, notes)


def with_packages(site: ServiceTarget, change: Change, files: Tree) -> Change:
    """A change that takes the files of packages away as well."""
    passing = change.passing | service_packages.passing(site.service, files)
    return Change({**change.before, **files}, change.after, passing)


def names_in(there: Sequence[PartFile]) -> set[str]:
    """The names of files and of what is in them."""
    return {file.name for file in there} | {name for file in there for name in file.names}


def not_compared(there: Sequence[PartFile]) -> Iterator[str]:
    """Notes about the files that could not be read, so that what comes was not compared with them."""
    return (f"{file.path} was not compared with it: {file.error}" for file in there if file.error)


def folder_of(site: ServiceTarget) -> Path:
    """The service's folder, where there is such a service; else that is an InputError."""
    return listing.require_service(site.workspace, site.service)


@contextmanager
def session(site: ServiceTarget) -> Iterator[Path]:
    """The service's folder, in which nobody else changes anything meanwhile."""
    listing.require_service(site.workspace, site.service)  # before the session, which would make a missing workspace
    with transaction.session(site.workspace, site.notify):
        yield listing.require_service(site.workspace, site.service)


def carry_out(site: ServiceTarget, change: Change, title: str) -> None:
    """Does a change whole or not at all; on a dry run, finds out whether it could be done."""
    transaction.check(site.workspace, change)
    if not site.dry_run:
        transaction.apply(site.workspace, change, title)


def _file_of(kind: PartKind, service: str, text: str, there: Sequence[_File]) -> _File:
    """The file that a person means."""
    plain = PurePosixPath(text.strip()).name.removesuffix(".py").replace("-", "_")
    stem = plain.removesuffix(f"_{kind.noun}")
    function = stem.removeprefix(kind.prefix)
    for wanted in dict.fromkeys((plain, stem, stem.removeprefix("test_"), function)):
        for file in there:
            if wanted == file.name:
                return file
        for file in there:
            if wanted in file.names:
                return file
    names = sorted(names_in(there))
    known = f"there are {messages.join_names(names)}" if names else "it has none"
    raise InputError(
        f"{service} has no {kind.noun} {messages.quote(text)}{messages.did_you_mean(stem, names)} ({known})"
    )


def _removal(site: ServiceTarget, file: PartFile) -> Change:
    """The change that takes a part's file and its test away; one that is no regular file is a ConflictError."""
    kind = file.kind
    path, test = kind.paths(site.service, file.name)
    before = {path: _read(site.workspace, path)}
    if os.path.lexists(site.workspace.path(test)):
        before[test] = _read(site.workspace, test)
    made = (one for folder in (kind.folder, kind.tests) for one in (folder, *folder.parents[:-1]))
    return Change(before=before, passing=frozenset(PurePosixPath(SERVICES, site.service) / folder for folder in made))


def _leaving_with(site: ServiceTarget, kind: PartKind, change: Change) -> Leaving:
    """The packages that go with a part."""
    place = PurePosixPath(SERVICES, site.service)
    gone = [path.relative_to(place) for path in change.removed]
    return site.packages().leaving((*kind.needs, packages.BATCH), site.answers().as_data(), gone)


def _refuse_edited(site: ServiceTarget, file: PartFile, change: Change) -> None:
    """Refuses a removal of files that are not as natsgen makes them."""
    made: Tree = {}
    with suppress(InputError, TemplateError):  # what no command makes was not made by one
        made = render.render_part(site.template, site.answers().as_data(), file.kind, file.as_made())
    edited = [
        path
        for path, file in change.before.items()
        if path not in made or not line_ends.is_same_text(file.content, made[path].content)
    ]
    if edited:
        names = " and ".join(str(site.workspace.root / path) for path in edited)
        why = f"edited since natsgen made it{_older(site)}" if made else "edited, or not made by natsgen"
        raise ConflictError(
            f"{names}: {why}, so nothing was changed; "
            f"--force removes {file.kind.noun} and test with what was written there"
        )


def _notes_without(site: ServiceTarget, removed: PartFile) -> Iterator[str]:
    """What a person should know of the service without one of its files: that nothing is left in it."""
    service = listing.service(site.workspace, site.service)
    if service.kind != GATEWAY and not any(file.names for file in service.files if file.path != removed.path):
        yield f"{site.service} has no handler, no action and nothing else left, and does not start without any"


def _read(workspace: Workspace, path: PurePosixPath) -> File:
    target = workspace.path(path)
    if target.is_symlink() or not target.is_file():
        raise ConflictError(f"{target} is no regular file and is left alone: nothing was changed")
    return File(reading.read_bytes(target), os.access(target, os.X_OK))


def _older(site: ServiceTarget) -> str:
    commit = answers_file.read(site.folder).commit
    if commit == site.template.commit:
        return ""
    return f", or made by another natsgen (this one makes {site.template.commit}, the service is of {commit or 'none'})"
