"""What becomes of what nobody can read: kept as a dead letter, and acknowledged."""

from __future__ import annotations

from natsgen import naming
from natsgen.smoke import events, tasks, traffic
from natsgen.smoke.live import Live
from natsgen.smoke.steps import NothingToDo
from natsgen.smoke.traffic import UNREADABLE, Sent, literal

LETTER_SECONDS = 30.0


def dead_letter(live: Live) -> str:
    """Check that an invalid message becomes a dead letter of each handler or task, and is acknowledged."""
    kept = [*_of_handlers(live), *_of_tasks(live)]
    if not kept:
        raise NothingToDo("it has no handlers and no tasks")
    return f"kept for {', '.join(kept)}"


def _of_handlers(live: Live) -> list[str]:
    if not live.handlers:
        return []
    subject = literal(live.handlers[0].subject)
    traffic.publish(live.running.nats_url, [Sent(subject, f"smoke-{live.published}", UNREADABLE)])
    live.published += 1
    listening = [one for one in live.handlers if naming.matches(one.subject, subject)]
    for handler in listening:
        _await_letter(live, handler.name)
        events.await_settled(live, handler.subject, handler.durable_in(live.service))
    return [one.name for one in listening]


def _of_tasks(live: Live) -> list[str]:
    if not live.tasks:
        return []
    task = live.tasks[0]
    tasks.enqueue(live, task, UNREADABLE)
    _await_letter(live, task.name)
    tasks.await_empty(live, task)
    return [task.name]


def _await_letter(live: Live, name: str) -> None:
    url = live.running.nats_url
    letter = live.wait(
        lambda: traffic.dead_letter(url, live.service, name),
        limit=LETTER_SECONDS,
        otherwise=lambda: f"{name} has made no dead letter of what it cannot read",
    )
    if letter.data != UNREADABLE:
        raise live.failure(f"the dead letter of {name} holds something else than what it was made of")
    if "Dlq-Reason" not in (letter.headers or {}):
        raise live.failure(f"the dead letter of {name} has no header Dlq-Reason")
