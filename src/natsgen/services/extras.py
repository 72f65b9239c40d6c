"""The extras of a service: packages that a person asks for, which stay until the person no longer does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from natsgen import messages
from natsgen.answers import answers_file
from natsgen.answers.answers_file import AnswersFile
from natsgen.errors import ConflictError, ServiceError
from natsgen.files import tree
from natsgen.files.tree import File, Tree
from natsgen.parts import packages
from natsgen.rendering import render
from natsgen.services import edit, listing
from natsgen.services.edit import ServiceTarget
from natsgen.transaction.change import Change
from natsgen.workspace import ANSWERS_FILE, SERVICES, Workspace


@dataclass(frozen=True)
class Changed:
    """Holds what became of a service's extras, or would.

    Attributes:
        extras: those that it asks for now.
        change: the files, among them its answers.
        notes: what the person should know beside.
    """

    extras: tuple[str, ...]
    change: Change
    notes: tuple[str, ...]


def add(site: ServiceTarget, names: Sequence[str]) -> Changed:
    """Add extras to a service, with the packages that they need, whole or not at all.

    Raises:
        InputError: there is no such service, or no such extra.
        ServiceError: the service's version of the template has no extras.
        NatsgenError: it could not be done; the workspace is as before.
    """
    wanted = packages.check_extras(names)
    with site.session_of(site.service):
        memory, asked = _asked(site)
        extras = sorted({*asked, *wanted})
        files = site.packages().coming(wanted)
        change = Change(after=files) if extras == sorted(asked) else _with_answers(site, memory, extras, after=files)
        site.write(change, f"add-extra {site.service} {' '.join(wanted)}")
    notes = (f"{site.service} asks for {name} already" for name in wanted if name in asked)
    return Changed(tuple(extras), change, tuple(notes))


def remove(site: ServiceTarget, names: Sequence[str], *, force: bool) -> Changed:
    """Remove extras from a service, with the packages that only they needed, whole or not at all.

    Args:
        site: where and how.
        names: of the extras.
        force: remove them although a person edited their files.

    Raises:
        InputError: there is no such service, no such extra, or the service has it not.
        ServiceError: the service's version of the template has no extras.
        ConflictError: something needs one of them, or imports it; or a person edited it, and `force` is not given.
        NatsgenError: it could not be done; the workspace is as before.
    """
    unwanted = packages.check_extras(names)
    with site.session_of(site.service):
        memory, asked = _asked(site)
        there = packages.found(site.folder)
        _need_there(site, unwanted, {*asked, *there})
        extras = [name for name in sorted(asked) if name not in unwanted]
        answers = {**site.answers().as_data(), packages.EXTRAS: extras}
        _refuse_needed(site, unwanted, answers)
        leaving = site.packages().leaving(unwanted, answers, even_edited=unwanted if force else ())
        refused = {name: why for name, why in leaving.staying.items() if name in unwanted}
        if refused:
            name, why = next(iter(refused.items()))
            forced = "; --force removes it with what was written there" if "edited" in why else ""
            raise ConflictError(f"the package {name} stays, and nothing was changed: {why}{forced}")
        change = _with_answers(site, memory, extras, after={}) if extras != sorted(asked) else Change()
        change = edit.with_packages(site, change, leaving.files)
        site.write(change, f"remove-extra {site.service} {' '.join(unwanted)}")
    return Changed(tuple(extras), change, tuple(leaving.notes()))


def _asked(site: ServiceTarget) -> tuple[AnswersFile, tuple[str, ...]]:
    """Return what the service was made with, and the extras that it asks for."""
    if packages.EXTRAS not in site.questionnaire.questions:
        raise ServiceError(
            f"{site.service} is of {site.template.commit} of its template, which has no extras: natsgen update first"
        )
    memory = answers_file.read(site.folder)
    return memory, tuple(site.answers().values[packages.EXTRAS])


def _need_there(site: ServiceTarget, wanted: Sequence[str], there: set[str]) -> None:
    for name in wanted:
        if name not in there:
            known = sorted(there & set(packages.EXTRA_NAMES))
            has = f"it has {messages.join_names(known)}" if known else "it has none"
            raise messages.unknown(f"{site.service} has no extra", name, known, has)


def _refuse_needed(site: ServiceTarget, names: Sequence[str], answers: dict[str, object]) -> None:
    """Refuse to remove what parts, other answers or other extras need."""
    by_package = {name: f"its package {name}" for name in packages.of_answers(answers)}
    by_package |= {name: f"its {kind.question}" for kind in packages.kinds_in(site.folder) for name in kind.needs}
    for name in names:
        if needing := [who for package, who in by_package.items() if name in packages.closure([package])]:
            raise ConflictError(f"{site.service} needs the package {name}, for {needing[0]}: nothing was changed")


def _with_answers(site: ServiceTarget, memory: AnswersFile, extras: list[str], *, after: Tree) -> Change:
    """Return the change that brings files, and the answers with these extras."""
    path = PurePosixPath(SERVICES, site.service, ANSWERS_FILE)
    before = tree.read_files(site.workspace, [path])
    values = {**memory.values, packages.EXTRAS: extras}
    made = render.render(site.template, values, site.workspace.root.name, packages.found(site.folder))
    return Change(before, {**after, path: File(made[path].content, before[path].executable)})


@dataclass(frozen=True)
class Extra:
    """An extra as a service has it.

    Attributes:
        name: of the package.
        summary: what it is for, on one line.
        is_there: whether the service has it.
        is_asked_for: whether it would have it if nothing needed it.
    """

    name: str
    summary: str
    is_there: bool = False
    is_asked_for: bool = False


def of(workspace: Workspace, service: str) -> tuple[Extra, ...]:
    """Return every extra, as a service has it.

    Raises:
        InputError: there is no such service.
        ServiceError: its answers cannot be read.
    """
    folder = listing.require_service(workspace, service)
    there, asked = packages.found(folder), packages.extras_of(answers_file.read(folder).values)
    return tuple(Extra(one.name, one.summary, one.name in there, one.name in asked) for one in known())


def known() -> tuple[Extra, ...]:
    """Return every extra that there is."""
    return tuple(Extra(name, packages.BY_NAME[name].summary) for name in packages.EXTRA_NAMES)
