"""What is added to a sample and removed again: one part of each kind, as the commands for it do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from natsgen.parts.actions import Action
from natsgen.parts.handlers import Handler
from natsgen.parts.kinds import ACTIONS, HANDLERS, PUBLISHERS, ROUTES, SUBSCRIBERS, TASKS, Part, PartKind
from natsgen.parts.pubsub import Publisher, Subscriber
from natsgen.parts.routes import Route, Target
from natsgen.parts.tasks import Task
from natsgen.services import action_growth, handler_growth, pubsub_growth, route_growth, task_growth
from natsgen.services.edit import ServiceTarget
from natsgen.smoke import events, http, pubsub, requests, tasks
from natsgen.smoke.live import Live

HANDLER = Handler("smoke_added", "additions.addition.made", concurrency=2)
ACTION = Action("smoke_added", "smoke_added", version=3, concurrency=2, timeout=1.5)
TASK = Task("smoke_added_work", "additions", priority="high", timeout=10)
PUBLISHER = Publisher("smoke_added", "added.publisher.ticked", interval=0.1)
SUBSCRIBER = Subscriber("smoke_added", "added.subscriber.*", queue_group="smoke-added")


@dataclass(frozen=True)
class Addition:
    """A part that a sample gets.

    Attributes:
        kind: of the part.
        part: the one for a service of that name.
        add: adds it, as `add-<kind>` does.
        remove: removes it, as `remove-<kind>` does.
        check: what it has to do when the service runs.
    """

    kind: PartKind
    part: Callable[[str], Part]
    add: Callable[[ServiceTarget, Any], object]
    remove: Callable[..., object]
    check: Callable[[Live], str | None]

    @property
    def step(self) -> str:
        """What the step is called that adds it."""
        return f"add-{self.kind.noun}"


def _route(service: str) -> Part:
    """Return a route to the action that was added."""
    return Route("smoke_added", "GET", "/smoke/{name}", Target(ACTION.subject_in(service)))


ADDITIONS = (
    Addition(HANDLERS, lambda _: HANDLER, handler_growth.add_handler, handler_growth.remove_handler, events.events),
    Addition(ACTIONS, lambda _: ACTION, action_growth.add_action, action_growth.remove_action, requests.requests),
    Addition(TASKS, lambda _: TASK, task_growth.add_task, task_growth.remove_task, tasks.tasks),
    Addition(
        PUBLISHERS, lambda _: PUBLISHER, pubsub_growth.add_publisher, pubsub_growth.remove_publisher, pubsub.publishers
    ),
    Addition(
        SUBSCRIBERS,
        lambda _: SUBSCRIBER,
        pubsub_growth.add_subscriber,
        pubsub_growth.remove_subscriber,
        pubsub.subscribers,
    ),
    Addition(ROUTES, _route, route_growth.add_route, route_growth.remove_route, http.http),
)
"""In the order in which they are added: the route needs the action."""
