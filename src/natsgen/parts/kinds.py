"""The kinds of parts that a service can contain."""

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
    """Return the kind of a service that has these kinds of parts.

    A gateway has a web framework. A worker has handlers or tasks. A publisher or subscriber has only parts of that
    kind. Anything else is a service.
    """
    if is_gateway:
        return "gateway"
    if HANDLERS in there or TASKS in there:
        return "worker"
    only = next(iter(there)) if len(there) == 1 else None
    return only.noun if only in (PUBLISHERS, SUBSCRIBERS) else "service"


def is_owners(path: PurePosixPath) -> bool:
    """Return whether a path in a service's folder is a part or its test, which belong to the owner."""
    return any(path.parent in (kind.folder, kind.tests) and path.name.endswith(kind.suffix) for kind in KINDS.values())
