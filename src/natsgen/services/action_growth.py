"""A service's actions come and go: a file for each and one for its test, and nothing else is touched."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from natsgen.errors import ConflictError
from natsgen.parts import action_discovery, action_naming
from natsgen.parts.action_discovery import ActionFile, FoundAction
from natsgen.parts.actions import Action
from natsgen.parts.kinds import ACTIONS
from natsgen.services import edit
from natsgen.services.edit import Added, Removed, ServiceTarget


def add_action(site: ServiceTarget, action: Action) -> Added[Action]:
    """Adds an action and its test to a service, whole or not at all.

    Args:
        site: where and how.
        action: what to add, checked. Where the service has another version of it, its file is named after both.

    Raises:
        InputError: there is no such service.
        ConflictError: a file of that name, or an action of that name and version, exists.
        NatsgenError: it could not be done; the workspace is as before.
    """

    def fit(folder: Path) -> tuple[Action, Iterable[str]]:
        there = action_discovery.action_files(folder)
        return _with_free_name(site, action, there), edit.not_compared(there)

    return edit.add(site, ACTIONS, fit)


def remove_action(site: ServiceTarget, text: str, *, force: bool) -> Removed[ActionFile]:
    """Removes an action file and its test from a service, as `growth.remove` does."""
    return edit.remove(site, ACTIONS, action_discovery.action_files, text, force=force)


def _with_free_name(site: ServiceTarget, wanted: Action, there: Sequence[ActionFile]) -> Action:
    """The action, under a name with its version in it where its file holds another version of it.

    Raises:
        ConflictError: it is there already, or something else is where its file has to be.
    """
    subject = wanted.subject_in(site.service)
    for file in there:
        for found in file.actions:
            if found.subject_in(site.service).literal == subject:
                raise ConflictError(
                    f"{site.folder / file.path} answers {subject} already, in line {found.line}, and is left alone: "
                    "choose another name, or another --version"
                )
    files = {file.name: file for file in there}
    if wanted.name in files and any(_is_of(wanted, found) for found in files[wanted.name].actions):
        wanted = replace(wanted, name=action_naming.with_version(wanted.name, wanted.version))
    if wanted.name in files:
        file = files[wanted.name]
        what = ", ".join(found.subject_in(site.service).text for found in file.actions) or file.error
        raise ConflictError(
            f"{site.folder / file.path} exists already ({what}) and is left alone: choose another name for the action"
        )
    return wanted


def _is_of(wanted: Action, found: FoundAction) -> bool:
    return found.action is not None and found.action.literal == wanted.action
