"""The steps of a sample that runs, from its start to its end."""

from __future__ import annotations

from natsgen.parts.kinds import KINDS
from natsgen.smoke import events, http, letters, lifecycle, pubsub, records, requests, tasks
from natsgen.smoke.gates import ENVIRONMENT
from natsgen.smoke.live import Live, Running
from natsgen.smoke.steps import Step
from natsgen.smoke.work import Work

START, READY, PARTS = "start", "ready", "parts"


def live_of(work: Work, running: Running) -> Live:
    """Return the sample as it is made, in the hands of the checks."""
    found = {
        question: tuple(kind.part.from_answer(name, one) for name, one in work.answers.get(question, {}).items())
        for question, kind in KINDS.items()
    }
    return Live(work, running, **found)  # type: ignore[arg-type]


def steps(live: Live, needs: str = ENVIRONMENT, *, in_container: bool = False) -> list[Step]:
    """Return the steps; the first needs the step of that name."""
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
        Step("tasks", live.guarded(tasks.tasks), whole),
        Step("publishers", live.guarded(pubsub.publishers), whole),
        Step("subscribers", live.guarded(pubsub.subscribers), whole),
        Step("http", live.guarded(http.http), (*whole, "events", "requests")),
        Step("inbox", live.guarded(events.inbox), (*whole, "events")),
        Step("logs", live.guarded(records.logs), up),
        Step("dead letter", live.guarded(letters.dead_letter), (*whole, "events", "tasks")),
        Step("metrics", live.guarded(records.metrics), whole),
        Step("health", live.guarded(lifecycle.health), ("dockerfile", *up)),
        Step("heartbeat", live.guarded(lifecycle.heartbeat), (*up, "consul")),
        Step("stop", live.guarded(lifecycle.stop), (START,)),
    ]
