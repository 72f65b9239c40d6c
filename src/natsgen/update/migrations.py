"""What a newer version needs that is more than a merge: small named functions that update runs, oldest first.

A migration sees a service as data and returns it changed. It is run on what the older template made and on what the
person made of it alike, so that its own change is none of the person's. It may change handlers and actions, which a
merge never does: so it changes no more than it must, and a text that is not as it expects it leaves alone.
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
        name: the service's.
        answers: by question.
        files: by their path in the workspace.
    """

    name: str
    answers: Mapping[str, Any]
    files: Tree


@dataclass(frozen=True)
class Migration:
    """A step to a version.

    Attributes:
        version: an update that comes to it or past it, from an older one, runs the step.
        name: what it does, for a person, such as "the setting NATS_URLS becomes NATS_URL".
        migrate: does it.
    """

    version: str
    name: str
    migrate: Callable[[State], State]


MIGRATIONS: tuple[Migration, ...] = ()
"""natsgen's own, oldest first."""


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
