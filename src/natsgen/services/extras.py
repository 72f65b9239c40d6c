"""Adds and removes the packages that the user asks for, whether or not a part needs them: extras and deployment files.

Each function takes the template's question that asks for them, `packages.EXTRAS` or `packages.DEPLOY`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from natsgen import messages
from natsgen.answers import answers_file
from natsgen.answers.answers_file import AnswersFile
from natsgen.errors import ConflictError, ServiceError
from natsgen.files import by_key, line_ends, tree
from natsgen.files.tree import File
from natsgen.files.workspace import ANSWERS_FILE, SERVICES, Workspace
from natsgen.parts import packages
from natsgen.rendering import render
from natsgen.services import edit, listing
from natsgen.services.edit import ServiceTarget
from natsgen.transaction.change import Change, change_between


@dataclass(frozen=True)
class Changed:
    """The result of changing what a service's owner asked for.

    Attributes:
        asked: the names in the service's answers.
        change: the change of the files, including the answers.
        notes: additional notes for the user.
    """

    asked: tuple[str, ...]
    change: Change
    notes: tuple[str, ...]


def add(site: ServiceTarget, names: Sequence[str], question: str = packages.EXTRAS) -> Changed:
    """Add packages to a service, with those that they need, atomically.

    Raises:
        InputError: the service or a package does not exist.
        ServiceError: the service's version of the template does not have the question.
        NatsgenError: the command failed; the workspace is as before.
    """
    wanted, noun = packages.check(question, names), packages.NOUNS[question]
    with site.session_of(site.service):
        memory, before = _asked(site, question)
        after = sorted({*before, *wanted})
        files = site.packages().coming(wanted)
        change = Change(after=files)
        if after != sorted(before):
            change = change.with_other(_new_answers(site, memory, {question: after}))
        there = packages.found(site.folder)
        change = change.with_other(_dependencies(site, there, there | packages.closure(wanted)))
        site.write(change, f"add-{noun} {site.service} {' '.join(wanted)}")
    notes = (f"{site.service} already has the {noun} {name}" for name in wanted if name in before)
    return Changed(tuple(after), change, tuple(notes))


def remove(site: ServiceTarget, names: Sequence[str], question: str = packages.EXTRAS, *, force: bool) -> Changed:
    """Remove packages from a service, with those that only they needed, atomically.

    Args:
        site: the service to change.
        names: the names of the packages.
        question: see above.
        force: remove edited files as well.

    Raises:
        InputError: the service or a package does not exist, or the service does not have it.
        ServiceError: the service's version of the template does not have the question.
        ConflictError: something needs or imports a package; or its files were edited, and `force` is not given.
        NatsgenError: the command failed; the workspace is as before.
    """
    unwanted, noun = packages.check(question, names), packages.NOUNS[question]
    with site.session_of(site.service):
        memory, before = _asked(site, question)
        there = packages.found(site.folder)
        _need_there(site, question, unwanted, {*before, *there})
        after = [name for name in sorted(before) if name not in unwanted]
        answers = {**site.answers().as_data(), question: after}
        _refuse_needed(site, unwanted, answers)
        leaving = site.packages().leaving(unwanted, answers, even_edited=unwanted if force else ())
        refused = {name: why for name, why in leaving.staying.items() if name in unwanted}
        if refused:
            name, why = next(iter(refused.items()))
            forced = "" if why.endswith("imports it") else "; use --force to remove it anyway"
            raise ConflictError(f"the package {name} was not removed, and nothing was changed: {why}{forced}")
        change = _new_answers(site, memory, {question: after}) if after != sorted(before) else Change()
        change = edit.with_packages(site, change, leaving.files)
        change = change.with_other(_dependencies(site, there, there.difference(leaving.names)))
        site.write(change, f"remove-{noun} {site.service} {' '.join(unwanted)}")
    return Changed(tuple(after), change, tuple(leaving.notes()))


def _asked(site: ServiceTarget, question: str) -> tuple[AnswersFile, tuple[str, ...]]:
    """Return the service's answers file, and the packages in it."""
    if question not in site.questionnaire.questions:
        raise ServiceError(
            f"{site.service} is at {site.template.commit} of its template, which has no {packages.NOUNS[question]}s: "
            "run natsgen update first"
        )
    memory = answers_file.read(site.folder)
    return memory, tuple(site.answers().values[question])


def _need_there(site: ServiceTarget, question: str, wanted: Sequence[str], there: set[str]) -> None:
    for name in wanted:
        if name not in there:
            known = sorted(there & set(packages.NAMES[question]))
            has = f"it has {messages.join_names(known)}" if known else "it has none"
            raise messages.unknown(f"{site.service} has no {packages.NOUNS[question]}", name, known, has)


def _refuse_needed(site: ServiceTarget, names: Sequence[str], answers: dict[str, object]) -> None:
    """Refuse to remove packages that parts, other answers or other packages need."""
    by_package = {name: f"its package {name}" for name in packages.of_answers(answers)}
    by_package |= {name: f"its {kind.question}" for kind in packages.kinds_in(site.folder) for name in kind.needs}
    for name in names:
        if needing := [who for package, who in by_package.items() if name in packages.closure([package])]:
            raise ConflictError(f"{site.service} needs the package {name}, for {needing[0]}: nothing was changed")


def _new_answers(site: ServiceTarget, memory: AnswersFile, answers: dict[str, list[str]]) -> Change:
    """Return the change that records other answers."""
    path = PurePosixPath(SERVICES, site.service, ANSWERS_FILE)
    before = tree.read_files(site.workspace, [path])
    values = {**memory.values, **answers}
    made = render.render(site.template, values, site.workspace.root.name, packages.found(site.folder))
    return Change(before, {path: File(made[path].content, before[path].executable)})


def _dependencies(site: ServiceTarget, there: frozenset[str], wanted: frozenset[str]) -> Change:
    """Return the change of files outside the packages, if the packages that come or go have dependencies.

    Raises:
        ConflictError: the owner edited such a file, and the change cannot be merged.
    """
    if not any(packages.BY_NAME[name].has_dependencies for name in there ^ wanted):
        return Change()
    data, root = site.answers().as_data(), site.workspace.root
    base, made = (render.render(site.template, data, root.name, names) for names in (there, wanted))
    ours = tree.read_files(site.workspace, [path for path in base if base[path] != made.get(path, base[path])])
    return change_between(ours, {path: _merged(site, path, ours[path], base[path], made[path]) for path in ours})


def _merged(site: ServiceTarget, path: PurePosixPath, ours: File, base: File, made: File) -> File:
    """Return the owner's file with the template's change from `base` to `made`."""
    if line_ends.is_same_text(ours.content, base.content):
        return File(made.content, ours.executable)
    if by_key.is_shared(path) and (content := by_key.merge(path, ours.content, base.content, made.content)):
        return File(content, ours.executable)
    raise ConflictError(
        f"{path} was edited, so its change cannot be merged, and nothing was changed: undo the edit, or run natsgen "
        f"answers {site.service} set extras=..., which marks the conflict"
    )


@dataclass(frozen=True)
class Extra:
    """An extra, and its state in a service.

    Attributes:
        name: the name of the package.
        summary: its purpose, on one line.
        is_there: whether the service has it.
        is_asked_for: whether the service's answers include it.
    """

    name: str
    summary: str
    is_there: bool = False
    is_asked_for: bool = False


def of(workspace: Workspace, service: str) -> tuple[Extra, ...]:
    """Return every extra with its state in a service.

    Raises:
        InputError: the service does not exist.
        ServiceError: its answers cannot be read.
    """
    folder = listing.require_service(workspace, service)
    there, asked = packages.found(folder), packages.asked_for(packages.EXTRAS, answers_file.read(folder).values)
    return tuple(Extra(one.name, one.summary, one.name in there, one.name in asked) for one in known())


def known() -> tuple[Extra, ...]:
    """Return every extra."""
    return tuple(Extra(name, packages.BY_NAME[name].summary) for name in packages.EXTRA_NAMES)
