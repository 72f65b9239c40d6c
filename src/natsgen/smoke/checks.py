"""The steps for a running sample, from start to stop."""

from __future__ import annotations

from collections.abc import Callable

from natsgen.parts.actions import Action
from natsgen.parts.handlers import Handler
from natsgen.parts.kind import Part
from natsgen.parts.publishers import Publisher
from natsgen.parts.routes import Route
from natsgen.parts.subscribers import Subscriber
from natsgen.parts.tasks import Task
from natsgen.smoke import answering, delivery, lifecycle, pubsub, records
from natsgen.smoke.gates import ENVIRONMENT
from natsgen.smoke.running import NO_INBOX, Running
from natsgen.smoke.steps import Step

START, READY, PARTS, EVENTS, TASKS = "start", "ready", "parts", "events", "tasks"
UP = (START, READY)

HANDLING: tuple[type[Part], ...] = (Handler, Task)
OF_PARTS: tuple[tuple[type[Part], str, Callable[[Running], str], tuple[str, ...]], ...] = (
    (Handler, EVENTS, delivery.events, ()),
    (Action, "requests", answering.requests, ()),
    (Task, TASKS, delivery.tasks, ()),
    (Publisher, "publishers", pubsub.publishers, ()),
    (Subscriber, "subscribers", pubsub.subscribers, ()),
    (Route, "http", answering.http, (EVENTS, "requests")),
)
"""Each kind of part with its step, its check, and the steps that it needs."""


def steps(run: Running) -> list[Step]:
    """Return the steps for a running sample and its parts."""
    whole = (*UP, PARTS)
    found = [
        Step(START, run.guarded(lifecycle.start), (ENVIRONMENT,)),
        Step(READY, run.guarded(lifecycle.ready), (START,)),
        Step(PARTS, run.guarded(lifecycle.parts), (START,)),
        Step("consul", run.guarded(lifecycle.consul), UP),
        *(Step(name, run.guarded(check), (*whole, *needs)) for kind, name, check, needs in OF_PARTS if run.parts(kind)),
    ]
    if run.parts(Handler) and run.inbox != NO_INBOX:
        found.append(Step("inbox", run.guarded(delivery.inbox), (*whole, EVENTS)))
    found.append(Step("logs", run.guarded(records.logs), (*UP, EVENTS, TASKS)))
    if any(run.parts(kind) for kind in HANDLING):
        found.append(Step("dead letter", run.guarded(delivery.dead_letter), (*whole, EVENTS, TASKS)))
    return [
        *found,
        Step("metrics", run.guarded(records.metrics), whole),
        Step("health", run.guarded(lifecycle.health), ("dockerfile", *UP)),
        Step("heartbeat", run.guarded(lifecycle.heartbeat), (*UP, "consul")),
        Step("stop", run.guarded(lifecycle.stop), (START,)),
    ]
