"""Checks that events and tasks are handled once and acknowledged, and that unreadable messages become dead letters."""

from __future__ import annotations

from natsgen.parts import naming
from natsgen.parts.handlers import Handler
from natsgen.parts.tasks import PRIORITIES, Task, stream_of
from natsgen.smoke import traffic
from natsgen.smoke.running import Running
from natsgen.smoke.traffic import MESSAGE_ID, UNREADABLE, Sent, event, literal

EVENTS_EACH = 20
"""Events for each handler: more than it handles concurrently."""
TASKS_EACH = 4
"""Tasks of each priority: more than run concurrently where the sample sets a concurrency."""
HANDLED_SECONDS = 30.0


def events(run: Running) -> str:
    """Check that every event reaches its handlers, and is handled once and acknowledged."""
    handlers = run.parts(Handler)
    for handler in handlers:
        _publish(run, literal(handler.subject), EVENTS_EACH)
    await_handled(run)
    for handler in handlers:
        counts = run.stats_of(None, handler.name)
        for wrong in ("retried", "duplicate", "dead_letters"):
            if counts.get(wrong):
                raise run.failure(f"{handler.name}: {wrong} is {counts[wrong]} for valid events")
    return f"{run.published} published, {run.handled.total()} handled by {len(handlers)} handlers"


def await_handled(run: Running) -> None:
    """Wait until every handler and task has handled its messages, and its consumer has none left.

    Raises:
        CheckFailed: not within `HANDLED_SECONDS`.
    """
    for handler in run.parts(Handler):
        _await_count(run, handler.name, f"events on {handler.subject}")
        await_settled(run, handler)
    for task in run.parts(Task):
        _await_count(run, task.name, f"tasks of the queue {task.queue}")
        await_settled(run, task)


def inbox(run: Running) -> str:
    """Check that an event that is published twice is handled once."""
    handler = run.parts(Handler)[0]
    subject = literal(handler.subject)
    (known,) = _publish(run, subject, 1)
    await_handled(run)
    before = run.stats_of(None, handler.name)["duplicate"]
    traffic.forget_ids(run.url, subject)
    traffic.send(run.url, [known])
    run.wait(
        lambda: run.stats_of(None, handler.name)["duplicate"] == before + 1,
        limit=HANDLED_SECONDS,
        otherwise=lambda: f"{handler.name} did not recognize the repeated event, with the inbox {run.inbox}",
    )
    await_handled(run)
    return f"{run.inbox} recognizes a repeated event"


def tasks(run: Running) -> str:
    """Check that every enqueued task is done, whatever its priority, and that its result is stored."""
    sent = []
    for task in run.parts(Task):
        for priority in PRIORITIES * TASKS_EACH:
            sent.append((task, _enqueue(run, task, priority, traffic.TASK)))
            run.handled[task.name] += 1
    await_handled(run)
    for task, identity in sent:
        _await_result(run, task, identity)
    return f"{len(sent)} enqueued and done, results stored"


def dead_letter(run: Running) -> str:
    """Check that an unreadable message becomes a dead letter of each handler or task, and is acknowledged."""
    failing: list[Handler | Task] = []
    for handler in run.parts(Handler)[:1]:
        subject = literal(handler.subject)
        traffic.send(run.url, [Sent(subject, UNREADABLE, {MESSAGE_ID: "smoke-unreadable"})])
        failing += [one for one in run.parts(Handler) if naming.matches(one.subject, subject)]
    for task in run.parts(Task)[:1]:
        _enqueue(run, task, task.priority, UNREADABLE)
        failing.append(task)
    for part in failing:
        _await_letter(run, part.name)
        await_settled(run, part)
    return f"stored for {', '.join(part.name for part in failing)}"


def await_settled(run: Running, part: Handler | Task) -> None:
    """Wait until the consumer of a handler, or the queue of a task, has no unsettled messages.

    Raises:
        CheckFailed: not within `HANDLED_SECONDS`.
    """

    def unsettled() -> str:
        if isinstance(part, Task):
            left = run.streams()[stream_of(part.queue)]["state"]["messages"]
            return f"the queue {part.queue} still contains {left} finished tasks" if left else ""
        durable = part.durable_in(run.name)
        consumers = [one for stream in run.streams().values() for one in stream.get("consumer_detail", [])]
        found = next((one for one in consumers if one["name"] == durable), None)
        if found is None:
            return f"the consumer {durable} for {part.subject} does not exist"
        pending, unacked = found["num_pending"], found["num_ack_pending"]
        seen = f"the consumer {durable} has {unacked} unacknowledged events and {pending} not yet fetched"
        return seen if pending or unacked else ""

    run.wait(lambda: not unsettled(), limit=HANDLED_SECONDS, otherwise=unsettled)


def _publish(run: Running, subject: str, count: int) -> list[Sent]:
    envelope = str(run.work.answers.get("envelope", traffic.DOMAIN))
    sent = [event(subject, run.published + number, envelope) for number in range(count)]
    traffic.send(run.url, sent)
    run.published += count
    expect(run, subject, count)
    return sent


def expect(run: Running, subject: str, count: int) -> None:
    """Expect `count` more events on a subject, for each handler that matches it."""
    for handler in run.parts(Handler):
        run.handled[handler.name] += count * naming.matches(handler.subject, subject)


def _enqueue(run: Running, task: Task, priority: str, payload: bytes) -> str:
    """Enqueue a task that stores its result; return its id."""
    identity = f"smoke-{run.published}"
    run.published += 1
    headers = {MESSAGE_ID: identity, "Task-Id": identity, "Task-Result-Ttl": "600"}
    traffic.send(run.url, [Sent(f"queue.{task.queue}.{priority}.{task.name}", payload, headers)])
    return identity


def _await_count(run: Running, name: str, what: str) -> None:
    run.await_count(
        lambda: run.stats_of(None, name), "handled", run.handled[name], name=name, what=what, limit=HANDLED_SECONDS
    )


def _await_result(run: Running, task: Task, identity: str) -> None:
    subject = f"$KV.task_results.{task.queue}.{task.name}.{identity}"

    def result() -> str:
        found = traffic.latest(run.url, "KV_task_results", subject)
        return found[0].decode() if found else "nothing"

    run.wait(
        lambda: '"done"' in result(),
        limit=HANDLED_SECONDS,
        otherwise=lambda: f"a task {task.name} is done, but its stored result is {result()}",
    )


def _await_letter(run: Running, name: str) -> None:
    payload, headers = run.wait(
        lambda: traffic.latest(run.url, "DLQ", f"dlq.{run.name}.{name}"),
        limit=HANDLED_SECONDS,
        otherwise=lambda: f"{name} stored no dead letter for an unreadable message",
    )
    if payload != UNREADABLE or b"Dlq-Reason:" not in headers:
        raise run.failure(f"the dead letter of {name} lacks the message's payload or the header Dlq-Reason")
