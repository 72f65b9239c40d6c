"""The kinds of parts that a service can contain, each in a file of its own with a test of its own."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import PurePosixPath

from natsgen.parts.actions import ACTIONS
from natsgen.parts.handlers import HANDLERS
from natsgen.parts.kind import PartKind
from natsgen.parts.publishers import PUBLISHERS
from natsgen.parts.routes import ROUTES
from natsgen.parts.subscribers import SUBSCRIBERS
from natsgen.parts.tasks import TASKS

KINDS: dict[str, PartKind] = {
    kind.question: kind for kind in (HANDLERS, TASKS, ACTIONS, ROUTES, PUBLISHERS, SUBSCRIBERS)
}
"""The kinds by the question that asks for them, in the order in which a service's description lists them."""


def kind_of(is_gateway: bool, there: Collection[PartKind]) -> str:
    """Return what a service is called that has parts of these kinds, and perhaps a web framework.

    A gateway has a framework; a worker handles events or does tasks; a service answers requests. What does neither is a
    publisher or a subscriber, and a service where it is both.
    """
    if is_gateway:
        return "gateway"
    if HANDLERS in there or TASKS in there:
        return "worker"
    only = next(iter(there)) if len(there) == 1 else None
    return only.noun if only in (PUBLISHERS, SUBSCRIBERS) else "service"


def is_persons_own(path: PurePosixPath) -> bool:
    """Return whether a path in a service's folder is a part or a part's test: those are for a person to change."""
    return any(path.parent in (kind.folder, kind.tests) and path.name.endswith(kind.suffix) for kind in KINDS.values())
