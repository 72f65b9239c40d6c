"""The steps of a sample that runs, from its start to its end."""

from __future__ import annotations

from natsgen.actions import Action
from natsgen.handlers import Handler
from natsgen.routes import Route
from natsgen.smoke import events, http, lifecycle, records, requests
from natsgen.smoke.gates import ENVIRONMENT
from natsgen.smoke.live import Live
from natsgen.smoke.running import Running
from natsgen.smoke.steps import Step
from natsgen.smoke.work import Work

START, READY, PARTS = "start", "ready", "parts"


def live_of(work: Work, running: Running) -> Live:
    """The sample as it is made, in the hands of the checks."""
    answers = work.answers
    return Live(
        work,
        running,
        tuple(Handler.from_answer(name, entry) for name, entry in answers.get("handlers", {}).items()),
        tuple(Action.from_answer(name, entry) for name, entry in answers.get("actions", {}).items()),
        tuple(Route.from_answer(name, entry) for name, entry in answers.get("routes", {}).items()),
    )


def steps(live: Live, needs: str = ENVIRONMENT, *, in_container: bool = False) -> list[Step]:
    """The steps; the first needs the step of that name."""
    up = (START, READY)
    whole = (*up, PARTS)
    contained = [Step("user", live.guarded(lifecycle.unprivileged), (START,))] if in_container else []
    return [
        Step(START, live.guarded(lifecycle.start), (needs,)),
        Step(READY, live.guarded(lifecycle.ready), (START,)),
        *contained,
        Step(PARTS, live.guarded(lifecycle.parts), (START,)),
        Step("consul", live.guarded(lifecycle.consul), up),
        Step("events", live.guarded(events.events), whole),
        Step("requests", live.guarded(requests.requests), whole),
        Step("http", live.guarded(http.http), (*whole, "events", "requests")),
        Step("inbox", live.guarded(events.inbox), (*whole, "events")),
        Step("logs", live.guarded(records.logs), up),
        Step("dead letter", live.guarded(events.dead_letter), (*whole, "events")),
        Step("metrics", live.guarded(records.metrics), whole),
        Step("health", live.guarded(lifecycle.health), ("dockerfile", *up)),
        Step("heartbeat", live.guarded(lifecycle.heartbeat), (*up, "consul")),
        Step("stop", live.guarded(lifecycle.stop), (START,)),
    ]
