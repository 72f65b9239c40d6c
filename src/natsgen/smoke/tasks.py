"""What becomes of tasks: each is done once, its result is kept for who wants it, and nothing stays in the queue."""

from __future__ import annotations

from natsgen.parts.tasks import PRIORITIES, Task, stream_of
from natsgen.smoke import traffic
from natsgen.smoke.live import Live
from natsgen.smoke.steps import NothingToDo
from natsgen.smoke.traffic import task_payload

EACH = 4
"""Tasks of each priority: more than are done at once where the sample says how many."""
DONE_SECONDS = 30.0
DONE = "done"


def tasks(live: Live) -> str:
    """Check that every enqueued task is done, whatever its priority, and that its result is stored."""
    if not live.tasks:
        raise NothingToDo("it has no tasks")
    sent: list[tuple[Task, str]] = []
    for task in live.tasks:
        for priority in PRIORITIES:
            sent += [(task, enqueue(live, task, task_payload(), priority)) for _ in range(EACH)]
        live.handled[task.name] += EACH * len(PRIORITIES)
    for task in live.tasks:
        _await_handled_by(live, task)
        await_empty(live, task)
    for task, identity in sent:
        _await_result(live, task, identity)
    live.handles = True
    return f"{len(sent)} enqueued, done, and their results seen"


def enqueue(live: Live, task: Task, payload: bytes, priority: str = "") -> str:
    """Enqueues a task whose result is wanted; returns its id."""
    identity = f"smoke-{live.published}"
    live.published += 1
    traffic.enqueue(live.running.nats_url, task, priority or task.priority, identity, payload)
    return identity


def await_empty(live: Live, task: Task) -> None:
    """Waits until nothing of its queue is left.

    Raises:
        CheckFailed: there is.
    """
    stream = stream_of(task.queue)

    def left() -> int:
        return traffic.left_in(live.running.nats_url, stream)

    live.wait(
        lambda: left() == 0,
        limit=DONE_SECONDS,
        otherwise=lambda: f"the queue {task.queue} still holds {left()} tasks that were done or given up",
    )


def _await_handled_by(live: Live, task: Task) -> None:
    expected = live.handled[task.name]

    def otherwise() -> str:
        counts = live.counts(task.name)
        seen = f"{task.name} has done {counts['handled']} of {expected} tasks of the queue {task.queue}"
        return f"{seen}; its last error: {counts['last_error']}" if counts.get("last_error") else seen

    live.wait(lambda: live.counts(task.name)["handled"] == expected, limit=DONE_SECONDS, otherwise=otherwise)


def _await_result(live: Live, task: Task, identity: str) -> None:
    def state() -> str:
        return traffic.state_of(live.running.nats_url, task, identity)

    live.wait(
        lambda: state() == DONE,
        limit=DONE_SECONDS,
        otherwise=lambda: f"a task {task.name} was done, and its result says {state() or 'nothing'}",
    )
