"""Adds and removes parts of any kind: the part's file, its test, and the packages that it needs.

Packages are added with the first part that needs them, and removed with the last. Deployment files are rendered for the
new parts. No other file changes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from natsgen import messages
from natsgen.answers import answers_file
from natsgen.answers.answers import Answers
from natsgen.answers.questions import Questionnaire
from natsgen.errors import ConflictError, InputError, ServiceError, TemplateError
from natsgen.files import line_ends, tree
from natsgen.files.tree import Tree
from natsgen.files.workspace import SERVICES
from natsgen.parts import facts, packages
from natsgen.parts.handlers import HANDLERS
from natsgen.parts.kind import Part, PartFile, PartKind
from natsgen.parts.tasks import TASKS
from natsgen.rendering import render
from natsgen.rendering.template_source import TemplateSource
from natsgen.services import listing, service_packages
from natsgen.services.listing import GATEWAY
from natsgen.services.service_packages import ServicePackages
from natsgen.services.writer import Writer
from natsgen.transaction.change import Change


@dataclass(frozen=True)
class ServiceTarget(Writer):
    """A service to change.

    Attributes:
        template: the template to render.
        questionnaire: the template's questions.
        service: the service's name.
    """

    template: TemplateSource
    questionnaire: Questionnaire
    service: str

    @property
    def folder(self) -> Path:
        """Return the service's folder."""
        return self.workspace.root / SERVICES / self.service

    def answers(self) -> Answers:
        """Return the answers that the service was created with.

        Raises:
            ServiceError: its answers are invalid.
        """
        return answers_file.answers_of(answers_file.read(self.folder), self.questionnaire, self.workspace.root)

    def packages(self) -> ServicePackages:
        """Return the packages of the service.

        Raises:
            ServiceError: its answers are invalid.
        """
        return ServicePackages(self.workspace, self.template, self.service, self.answers().as_data())


@dataclass(frozen=True)
class Added:
    """The result of adding a part.

    Attributes:
        part: the part.
        change: its files, and those of the packages that it needs.
        notes: additional notes for the user.
    """

    part: Part
    change: Change
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Removed:
    """The result of removing a part.

    Attributes:
        file: its file before the removal.
        change: the removed files.
        notes: additional notes for the user.
    """

    file: PartFile
    change: Change
    notes: tuple[str, ...]


def add(site: ServiceTarget, part: Part) -> Added:
    """Add a part and its test to a service, with the packages that it needs, atomically.

    Args:
        site: the service to change.
        part: the part; it may get another name, depending on its kind.

    Raises:
        InputError: the service does not exist, or the part is not compatible with another one.
        ServiceError: the service cannot have parts of this kind.
        ConflictError: a file of that name, or a part with the same key, exists.
        NatsgenError: it could not be done; the workspace is as before.
    """
    with site.session_of(site.service) as folder:
        answers = site.answers()
        kind = part.kind
        if kind.for_gateways and not answers.is_gateway:
            raise ServiceError(
                f"{site.service} is not a gateway: {kind.question} need a web framework; natsgen new gateway creates a "
                "service with one"
            )
        there = kind.files_in(folder)
        part = part.beside(there, site.service, answers.values.get("queue_group", ""))
        _refuse_clashes(site, part, there)
        _refuse_shared_consumer(site, part)
        files = render.render_part(site.template, answers.as_data(), part)
        held = site.packages()
        change = Change(after={**files, **held.coming(packages.needs_of_part(part))})
        place = PurePosixPath(SERVICES, site.service)
        added = {path.relative_to(place): file for path, file in files.items()}
        change = change.with_other(held.redeployed(facts.of_source(folder, added=added)))
        site.write(change, f"add-{kind.noun} {site.service} {part.name}")
    return Added(part, change, tuple(_notes_on_added(part, there)))


def remove(site: ServiceTarget, kind: PartKind, text: str, *, force: bool) -> Removed:
    """Remove the file of a part and its test from a service, atomically.

    This also removes the packages that only this part needed, unless other files import them or they were edited.

    Args:
        site: the service to change.
        kind: the kind of the part.
        text: the part's name as typed: `order_created`, `order-created` or the file's name.
        force: remove edited files as well.

    Raises:
        InputError: the service or the part does not exist.
        ConflictError: one of the files was edited, and `force` is not given.
        NatsgenError: the command failed; the workspace is as before.
    """
    with site.session_of(site.service) as folder:
        file = _file_of(kind, site.service, text, kind.files_in(folder))
        change = _removal(site, file)
        answers = site.answers().as_data()
        if not force:
            _refuse_edited(site, answers, file, change)
        held = site.packages()
        removed = [path.relative_to(PurePosixPath(SERVICES, site.service)) for path in change.removed]
        leaving = held.leaving((*kind.needs, packages.BATCH), answers, removed)
        change = with_packages(site, change, leaving.files)
        change = change.with_other(held.redeployed(facts.of_source(folder, removed)))
        notes = (*_notes_without(site, file), *leaving.notes())
        site.write(change, f"remove-{kind.noun} {site.service} {file.name}")
    return Removed(file, change, notes)


def with_packages(site: ServiceTarget, change: Change, files: Tree) -> Change:
    """Return a change that also removes the files of packages."""
    folders = change.removable_folders | service_packages.removable_folders(site.service, files)
    return Change({**change.before, **files}, change.after, folders)


def _refuse_clashes(site: ServiceTarget, wanted: Part, there: Sequence[PartFile]) -> None:
    """Refuse a part whose file, or whose key, exists."""
    kind = wanted.kind
    name = wanted.other_name(_names_in(there))
    otherwise = f"choose another name, such as --name {name}" if name else f"choose another name for the {kind.noun}"
    for file in there:
        where = site.folder / file.path
        for found in file.parts:
            if kind.unique and found.key(site.service) == wanted.key:
                about = found.about(site.service)
                raise ConflictError(
                    f"{where}, line {found.line}: already answers {about.text if about else found.name}; nothing was "
                    f"changed: choose {kind.unique}"
                )
        if file.name == wanted.name:
            abouts = [about for found in file.parts if (about := found.about(site.service))]
            what = ", ".join(about.text for about in abouts) or file.error
            raise ConflictError(f"{where} exists already ({what}); nothing was changed: {otherwise}")
        for found in file.parts:
            if not kind.unique and found.key(site.service) == wanted.key:
                raise ConflictError(
                    f"{where}, line {found.line}: there is already a {kind.noun} {messages.quote(wanted.name)}; "
                    f"{otherwise}"
                )


def _refuse_shared_consumer(site: ServiceTarget, wanted: Part) -> None:
    """Refuse a part that would share the consumer or the dead letters of another one, possibly of another kind."""
    durable = wanted.durable_in(site.service)
    for file in (file for kind in (HANDLERS, TASKS) for file in kind.files_in(site.folder) if durable):
        for found in file.parts:
            where = f"{site.folder / file.path}, line {found.line}"
            if file.kind is not wanted.kind and found.key(site.service) == wanted.name:
                raise ConflictError(
                    f"{where}: a {file.kind.noun} has the name {messages.quote(wanted.name)}, and a {wanted.kind.noun} "
                    "of that name would share its consumer and its dead letters; choose another name"
                )
            if found.durable_in(site.service) == durable:
                raise ConflictError(
                    f"{where}: already uses the durable {messages.quote(durable)}, and two parts cannot share a "
                    "consumer; choose another --durable"
                )


def _notes_on_added(wanted: Part, there: Sequence[PartFile]) -> Iterator[str]:
    yield from (f"{file.path} could not be checked for duplicates: {file.error}" for file in there if file.error)
    subject = getattr(wanted, "subject", None)
    for file in there:
        for found in file.parts:
            if found.first is not None and found.first.literal == subject is not None:
                shared = f": {wanted.kind.shared}" if wanted.kind.shared else ""
                yield f"{found.name} ({file.path}) also has the subject {subject}{shared}"


def _names_in(there: Sequence[PartFile]) -> list[str]:
    """Return the names of the files and of the parts in them."""
    return sorted({file.name for file in there} | {name for file in there for name in file.names})


def _file_of(kind: PartKind, service: str, text: str, there: Sequence[PartFile]) -> PartFile:
    """Return the file of the part that a text refers to."""
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
    names = _names_in(there)
    known = messages.available(names) if names else "it has none"
    raise messages.unknown(f"{service} has no {kind.noun}", stem, names, known)


def _removal(site: ServiceTarget, file: PartFile) -> Change:
    """Return the change that removes a part's file and test; raises ServiceError if one is not a regular file."""
    kind = file.kind
    before = tree.read_files(site.workspace, kind.paths(site.service, file.name))
    made = (one for folder in (kind.folder, kind.tests) for one in (folder, *folder.parents[:-1]))
    return Change(
        before=before, removable_folders=frozenset(PurePosixPath(SERVICES, site.service) / folder for folder in made)
    )


def _refuse_edited(site: ServiceTarget, answers: Mapping[str, Any], file: PartFile, change: Change) -> None:
    """Refuse to remove files that differ from what natsgen creates."""
    made: Tree = {}
    with suppress(InputError, TemplateError):  # no command creates such a file
        made = render.render_part(site.template, answers, file.regenerated())
    edited = [
        path
        for path, file in change.before.items()
        if path not in made or not line_ends.is_same_text(file.content, made[path].content)
    ]
    if edited:
        names = " and ".join(str(site.workspace.root / path) for path in edited)
        why = f"edited since natsgen created it{_older(site)}" if made else "edited, or not created by natsgen"
        raise ConflictError(
            f"{names}: {why}, so nothing was changed; use --force to remove the {file.kind.noun} and its test anyway"
        )


def _notes_without(site: ServiceTarget, removed: PartFile) -> Iterator[str]:
    """Yield a note if the service has no parts left without one of its files."""
    service = listing.service(site.workspace, site.service)
    if service.kind != GATEWAY and not any(file.names for file in service.files if file.path != removed.path):
        yield f"{site.service} is now empty and will not start; add a handler, an action or another part"


def _older(site: ServiceTarget) -> str:
    commit = answers_file.read(site.folder).commit
    if commit == site.template.commit:
        return ""
    versions = f"this one has {site.template.commit}, the service {commit or 'none'}"
    return f", or created by another version of natsgen ({versions})"
