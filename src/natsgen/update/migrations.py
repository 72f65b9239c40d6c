"""Migrations: changes of a newer version that a merge cannot make, as small named functions that run oldest first.

A migration receives a service as data and returns it changed. It runs on both the older template's files and the
owner's, so that its own change does not count as the owner's. Unlike a merge, it may change handlers and actions.
Therefore it must change as little as possible, and must not change text that it does not expect.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from natsgen.files.tree import Tree
from natsgen.rendering import versions
from natsgen.rendering.template_source import REPOSITORY


@dataclass(frozen=True)
class State:
    """A service as data.

    Attributes:
        name: the service's name.
        answers: the answers by question.
        files: the files by their path in the workspace.
    """

    name: str
    answers: Mapping[str, Any]
    files: Tree


@dataclass(frozen=True)
class Migration:
    """A step to a version.

    Attributes:
        version: the version; an update from an older version to it, or to a newer one, runs the step.
        name: its description for the user, such as "the setting NATS_URLS becomes NATS_URL".
        migrate: the function that changes the service.
    """

    version: str
    name: str
    migrate: Callable[[State], State]


MIGRATIONS: tuple[Migration, ...] = ()
"""The migrations of natsgen's own template, oldest first."""


def between(before: str, after: str, url: str) -> tuple[Migration, ...]:
    """Return the migrations that an update of natsgen's own template runs; a team's own template has none."""
    if url != REPOSITORY:
        return ()
    return tuple(
        one
        for one in MIGRATIONS
        if versions.is_newer(one.version, before) and not versions.is_newer(one.version, after)
    )


def run(steps: Iterable[Migration], state: State) -> State:
    """Return the service after the steps."""
    for step in steps:
        state = step.migrate(state)
    return state
