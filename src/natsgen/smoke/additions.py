"""What is added to a sample and removed again: one part of each kind, as the commands for it do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from natsgen.parts.actions import ACTIONS, Action
from natsgen.parts.handlers import HANDLERS, Handler
from natsgen.parts.kind import Part, PartKind
from natsgen.parts.publishers import PUBLISHERS, Publisher
from natsgen.parts.routes import ROUTES, Route
from natsgen.parts.subscribers import SUBSCRIBERS, Subscriber
from natsgen.parts.tasks import TASKS, Task
from natsgen.smoke import events, http, pubsub, requests, tasks
from natsgen.smoke.live import Live

HANDLER = Handler("smoke_added", "additions.addition.made", concurrency=2)
ACTION = Action("smoke_added", version=3, concurrency=2, timeout=1.5)
TASK = Task("smoke_added_work", "additions", priority="high", timeout=10)
PUBLISHER = Publisher("smoke_added", "added.publisher.ticked", interval=0.1)
SUBSCRIBER = Subscriber("smoke_added", "added.subscriber.*", queue_group="smoke-added")


@dataclass(frozen=True)
class Addition:
    """A part that a sample gets.

    Attributes:
        kind: of the part.
        part: the one for a service of that name.
        check: what it has to do when the service runs.
    """

    kind: PartKind
    part: Callable[[str], Part]
    check: Callable[[Live], str | None]

    @property
    def step(self) -> str:
        """What the step is called that adds it."""
        return f"add-{self.kind.noun}"


def _route(service: str) -> Part:
    """Return a route to the action that was added."""
    return Route("smoke_added", "GET", "/smoke/{name}", call=ACTION.subject_in(service))


ADDITIONS = (
    Addition(HANDLERS, lambda _: HANDLER, events.events),
    Addition(ACTIONS, lambda _: ACTION, requests.requests),
    Addition(TASKS, lambda _: TASK, tasks.tasks),
    Addition(PUBLISHERS, lambda _: PUBLISHER, pubsub.publishers),
    Addition(SUBSCRIBERS, lambda _: SUBSCRIBER, pubsub.subscribers),
    Addition(ROUTES, _route, http.http),
)
"""In the order in which they are added: the route needs the action."""
