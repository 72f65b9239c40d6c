"""How a part of a service comes and goes, handler or action: its file and its test, and nothing else is touched."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import TypeVar

from natsgen import action_discovery, discovery, inventory, naming, rendering, stored, transaction
from natsgen.change import Change
from natsgen.errors import ConflictError, InputError
from natsgen.parts import HANDLERS, Kind, Part, PartFile
from natsgen.questions import Questionnaire
from natsgen.template_source import TemplateSource
from natsgen.tree import File, Tree
from natsgen.workspace import SERVICES, Workspace

_Found = TypeVar("_Found", bound=PartFile)


@contextmanager
def session(workspace: Workspace, service: str, notify: Callable[[str], None]) -> Iterator[Path]:
    """The service's folder, in which nobody else changes anything meanwhile.

    Raises:
        InputError: there is no such service.
    """
    inventory.need_service(workspace, service)  # before the session, which would make a missing workspace
    with transaction.session(workspace, notify):
        yield inventory.need_service(workspace, service)


def carry_out(workspace: Workspace, change: Change, title: str, *, dry_run: bool) -> None:
    """Does a change whole or not at all; on a dry run, finds out whether it could be done."""
    transaction.check(workspace, change)
    if not dry_run:
        transaction.apply(workspace, change, title)


def render(
    workspace: Workspace,
    template: TemplateSource,
    questionnaire: Questionnaire,
    service: str,
    kind: Kind,
    part: Part,
) -> Tree:
    """The file of one part and its test, as the service's template makes them with the service's answers."""
    memory = stored.read(workspace.root / SERVICES / service)
    known = stored.answers_of(memory, questionnaire, workspace.root)
    return rendering.render_part(template, known.as_data(), kind, part)


def file_of(kind: Kind, service: str, text: str, there: Sequence[_Found]) -> _Found:
    """The file that a person means.

    Args:
        kind: of the part.
        service: the service's name.
        text: the part's name as a person types it: `order_created`, `order-created` or the file's name.
        there: the files of that kind.

    Raises:
        InputError: there is none such; the message names the nearest.
    """
    plain = PurePosixPath(text.strip()).name.removesuffix(".py").replace("-", "_")
    stem = plain.removesuffix(f"_{kind.noun}")
    function = stem.removeprefix("handle_") if kind is HANDLERS else stem
    for wanted in dict.fromkeys((plain, stem, stem.removeprefix("test_"), function)):
        for file in there:
            if wanted == file.name:
                return file
        for file in there:
            if wanted in file.names:
                return file
    names = sorted(names_in(there))
    known = f"there are {naming.listed(names)}" if names else "it has none"
    raise InputError(f"{service} has no {kind.noun} {naming.shown(text)}{naming.nearest(stem, names)} ({known})")


def removal(workspace: Workspace, service: str, file: PartFile) -> Change:
    """The change that takes a part's file and its test away.

    Raises:
        ConflictError: one of them is no regular file.
    """
    kind = file.kind
    path, test = kind.paths(service, file.name)
    before = {path: _read(workspace, path)}
    if os.path.lexists(workspace.path(test)):
        before[test] = _read(workspace, test)
    made = (one for folder in (kind.folder, kind.tests) for one in (folder, *folder.parents[:-1]))
    return Change(before=before, passing=frozenset(PurePosixPath(SERVICES, service) / folder for folder in made))


def refuse_edited(
    workspace: Workspace,
    template: TemplateSource,
    questionnaire: Questionnaire,
    service: str,
    file: PartFile,
    change: Change,
) -> None:
    """Refuses a removal of files that are not as natsgen makes them.

    Args:
        workspace: where the service is.
        template: what makes them; they are rendered again.
        questionnaire: the template's questions.
        service: the service's name.
        file: the part's.
        change: the removal.

    Raises:
        ConflictError: a person changed one of them.
    """
    made: Tree = {}
    with suppress(InputError):  # what no command makes was not made by one
        made = render(workspace, template, questionnaire, service, file.kind, file.as_made())
    edited = [path for path, file in change.before.items() if path not in made or made[path].content != file.content]
    if edited:
        names = " and ".join(str(workspace.root / path) for path in edited)
        raise ConflictError(
            f"{names}: edited since natsgen made it{_older(workspace, service, template)}, so nothing was changed; "
            f"--force removes {file.kind.noun} and test with what was written there"
        )


def notes_without(folder: Path, removed: PartFile) -> tuple[str, ...]:
    """What a person should know of the service in a folder without one of its files: that nothing is left in it."""
    files: list[PartFile] = [*discovery.handler_files(folder), *action_discovery.action_files(folder)]
    if any(file.names for file in files if file.path != removed.path):
        return ()
    return (f"{folder.name} has neither a handler nor an action now, and does not start without one",)


def names_in(there: Sequence[PartFile]) -> set[str]:
    """The names of files and of what is in them."""
    return {file.name for file in there} | {name for file in there for name in file.names}


def _read(workspace: Workspace, path: PurePosixPath) -> File:
    target = workspace.path(path)
    if target.is_symlink() or not target.is_file():
        raise ConflictError(f"{target} is no regular file and is left alone: nothing was changed")
    return File(target.read_bytes(), os.access(target, os.X_OK))


def _older(workspace: Workspace, service: str, template: TemplateSource) -> str:
    commit = stored.read(workspace.root / SERVICES / service).commit
    if commit == template.commit:
        return ""
    return f", or made by another natsgen (this one makes {template.commit}, the service is of {commit or 'none'})"
