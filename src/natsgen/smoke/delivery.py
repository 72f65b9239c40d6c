"""Checks that each event and task is handled once and acked, and that what nobody can read is kept."""

from __future__ import annotations

from natsgen import naming
from natsgen.parts.handlers import Handler
from natsgen.parts.tasks import PRIORITIES, Task, stream_of
from natsgen.smoke import traffic
from natsgen.smoke.running import Running
from natsgen.smoke.traffic import MESSAGE_ID, UNREADABLE, Sent, event, literal

EVENTS_EACH = 20
"""Events for each handler: more than are handled at once."""
TASKS_EACH = 4
"""Tasks of each priority: more than are done at once where the sample says how many."""
HANDLED_SECONDS = 30.0


def events(run: Running) -> str:
    """Check that every event reaches its handlers, and is handled once and acknowledged."""
    handlers = run.parts(Handler)
    for handler in handlers:
        _publish(run, literal(handler.subject), EVENTS_EACH)
    await_handled(run)
    for handler in handlers:
        counts = run.told(None, handler.name)
        for wrong in ("retried", "duplicates", "dead_letters"):
            if counts.get(wrong):
                raise run.failure(f"{handler.name}: {wrong} is {counts[wrong]} for events that nothing is wrong with")
    return f"{run.published} published, {run.handled.total()} handled by {len(handlers)} handlers"


def await_handled(run: Running) -> None:
    """Wait until every handler and task has handled what it was sent, and its consumer has nothing left.

    Raises:
        CheckFailed: it does not.
    """
    for handler in run.parts(Handler):
        _await_count(run, handler.name, f"events on {handler.subject}")
        await_settled(run, handler)
    for task in run.parts(Task):
        _await_count(run, task.name, f"tasks of the queue {task.queue}")
        await_settled(run, task)


def inbox(run: Running) -> str:
    """Check that a handled event that is sent again is not handled again."""
    handler = run.parts(Handler)[0]
    subject = literal(handler.subject)
    (known,) = _publish(run, subject, 1)
    await_handled(run)
    before = run.told(None, handler.name)["duplicates"]
    traffic.forget_ids(run.url, subject)
    traffic.send(run.url, [known])
    run.wait(
        lambda: run.told(None, handler.name)["duplicates"] == before + 1,
        limit=HANDLED_SECONDS,
        otherwise=lambda: f"{handler.name} did not know the event again, with the inbox {run.inbox}",
    )
    await_handled(run)
    return f"{run.inbox} knows an event again"


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
    return f"{len(sent)} enqueued, done, and their results seen"


def dead_letter(run: Running) -> str:
    """Check that an invalid message becomes a dead letter of each handler or task, and is acknowledged."""
    kept: list[Handler | Task] = []
    for handler in run.parts(Handler)[:1]:
        subject = literal(handler.subject)
        traffic.send(run.url, [Sent(subject, UNREADABLE, {MESSAGE_ID: "smoke-unreadable"})])
        kept += [one for one in run.parts(Handler) if naming.matches(one.subject, subject)]
    for task in run.parts(Task)[:1]:
        _enqueue(run, task, task.priority, UNREADABLE)
        kept.append(task)
    for part in kept:
        _await_letter(run, part.name)
        await_settled(run, part)
    return f"kept for {', '.join(part.name for part in kept)}"


def await_settled(run: Running, part: Handler | Task) -> None:
    """Wait until the consumer of a handler, or the queue of a task, has nothing that is not settled.

    Raises:
        CheckFailed: it has.
    """

    def unsettled() -> str:
        if isinstance(part, Task):
            left = run.streams()[stream_of(part.queue)]["state"]["messages"]
            return f"the queue {part.queue} still holds {left} tasks that were done or given up" if left else ""
        durable = part.durable_in(run.name)
        consumers = [one for stream in run.streams().values() for one in stream.get("consumer_detail", [])]
        found = next((one for one in consumers if one["name"] == durable), None)
        if found is None:
            return f"there is no consumer {durable} for {part.subject}"
        pending, open_ = found["num_pending"], found["num_ack_pending"]
        seen = f"the consumer {durable} has {open_} events that were not acknowledged and {pending} not fetched"
        return seen if pending or open_ else ""

    run.wait(lambda: not unsettled(), limit=HANDLED_SECONDS, otherwise=unsettled)


def _publish(run: Running, subject: str, count: int) -> list[Sent]:
    envelope = str(run.work.answers.get("envelope", traffic.DOMAIN))
    sent = [event(subject, run.published + number, envelope) for number in range(count)]
    traffic.send(run.url, sent)
    run.published += count
    expect(run, subject, count)
    return sent


def expect(run: Running, subject: str, count: int) -> None:
    """Note that so many events on a subject have to reach the handlers that it matches."""
    for handler in run.parts(Handler):
        run.handled[handler.name] += count * naming.matches(handler.subject, subject)


def _enqueue(run: Running, task: Task, priority: str, payload: bytes) -> str:
    """Enqueue a task whose result is wanted; return its id."""
    identity = f"smoke-{run.published}"
    run.published += 1
    headers = {MESSAGE_ID: identity, "Task-Id": identity, "Task-Result-Ttl": "600"}
    traffic.send(run.url, [Sent(f"queue.{task.queue}.{priority}.{task.name}", payload, headers)])
    return identity


def _await_count(run: Running, name: str, what: str) -> None:
    run.await_count(
        lambda: run.told(None, name), "handled", run.handled[name], name=name, what=what, limit=HANDLED_SECONDS
    )


def _await_result(run: Running, task: Task, identity: str) -> None:
    subject = f"$KV.task_results.{task.queue}.{task.name}.{identity}"

    def result() -> str:
        found = traffic.latest(run.url, "KV_task_results", subject)
        return found[0].decode() if found else "nothing"

    run.wait(
        lambda: '"done"' in result(),
        limit=HANDLED_SECONDS,
        otherwise=lambda: f"a task {task.name} was done, and its result says {result()}",
    )


def _await_letter(run: Running, name: str) -> None:
    payload, headers = run.wait(
        lambda: traffic.latest(run.url, "DLQ", f"dlq.{run.name}.{name}"),
        limit=HANDLED_SECONDS,
        otherwise=lambda: f"{name} has made no dead letter of what it cannot read",
    )
    if payload != UNREADABLE or b"Dlq-Reason:" not in headers:
        raise run.failure(f"the dead letter of {name} has another payload than the message, or no header Dlq-Reason")
