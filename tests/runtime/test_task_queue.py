"""Task queues on a real server: enqueueing, priorities, delays, recurring tasks, results, retries and dead letters."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from nats.js import JetStreamContext
from nats.js.api import StreamConfig
from pydantic import BaseModel
from structlog.testing import capture_logs

from natsgen.harness.nats_server import NatsServer
from src.config import Settings
from src.domain.events import current
from src.infrastructure.errors import ConfigurationError, TooLarge
from src.infrastructure.nats_client import NatsClient
from src.infrastructure.subscription import Subscription
from src.tasks import (
    Backoff,
    InvalidTask,
    Message,
    NoResult,
    QueueFull,
    Reject,
    ResultTimeout,
    Retry,
    Task,
    TaskFailed,
    cron,
    enqueue,
    every,
    ticket_for,
)
from src.tasks import queue as queues
from src.toolkit.sync import SyncNats
from tests.runtime.conftest import SERVICE, TEMPLATE, Counts, until

SOON = Backoff(initial=0.02, maximum=0.05)
SUBJECT = "integration.order.created"


class SendEmail(BaseModel):
    to: str


class Receipt(BaseModel):
    to: str
    sent_at: datetime


class Enqueued:
    """Emails in the order in which they were sent, and the messages that they came in."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.messages: list[Message] = []

    async def send(self, email: SendEmail, message: Message) -> Receipt:
        self.sent.append(email.to)
        self.messages.append(message)
        return Receipt(to=email.to, sent_at=datetime.now(UTC))


@pytest.fixture
def outbox() -> Enqueued:
    return Enqueued()


def task_of(function: Callable[..., Coroutine[Any, Any, Any]], name: str = "send_email", **options: Any) -> Any:
    """A task that no registry knows of; `task` adds to one that all tests would share."""
    return Task(function, name, "emails", **{"backoff": SOON, **options})


def sending(outbox: Enqueued, **options: Any) -> Any:
    async def send_email(email: SendEmail, message: Message) -> Receipt:
        return await outbox.send(email, message)

    return task_of(send_email, **options)


async def stream_messages(jetstream: JetStreamContext, stream: str = "QUEUE_EMAILS") -> int:
    return (await jetstream.stream_info(stream)).state.messages


async def test_task_queue_enqueue(run_worker: Any, jetstream: JetStreamContext, outbox: Enqueued) -> None:
    send_email = sending(outbox)
    async with run_worker(send_email):
        ticket = await send_email.enqueue(SendEmail(to="ada@example.com"))
        await enqueue(send_email, {"to": "bob@example.com"})
        await until(lambda: len(outbox.sent) == 2, "both emails")

    assert outbox.sent == ["ada@example.com", "bob@example.com"]
    assert outbox.messages[0].id == ticket.id
    assert not ticket.duplicate
    config = (await jetstream.stream_info("QUEUE_EMAILS")).config
    assert (config.retention, config.subjects, config.max_msgs) == ("workqueue", ["queue.emails.>"], -1)
    assert await stream_messages(jetstream) == 0


async def test_task_queue_says_once_what_it_created(run_worker: Any, outbox: Enqueued) -> None:
    """The consumers of all priorities need the stream at the same time."""
    with capture_logs() as lines:
        async with run_worker(sending(outbox)):
            pass

    assert [line["stream"] for line in lines if line["event"] == "stream created"].count("QUEUE_EMAILS") == 1


async def test_task_queue_enqueue_by_name_from_another_service(
    run_worker: Any, jetstream: JetStreamContext, outbox: Enqueued
) -> None:
    """The queue is there before a worker has ever run."""
    async with run_worker(idle()):
        ticket = await enqueue("emails.send_email", {"to": "ada@example.com"}, task_id="one")
        again = await enqueue("emails.send_email", {"to": "ada@example.com"}, task_id="one")
    assert (ticket.duplicate, again.duplicate) == (False, True)
    assert await stream_messages(jetstream) == 1

    async with run_worker(sending(outbox)):
        await until(lambda: outbox.sent, "the email")
    assert outbox.messages[0].id == "one"


async def test_task_queue_worker_shares_work(run_worker: Any, outbox: Enqueued) -> None:
    first, second = Enqueued(), Enqueued()
    async with run_worker(sending(first)), run_worker(sending(second)):
        for number in range(50):
            await enqueue("emails.send_email", {"to": str(number)})
        await until(lambda: len(first.sent) + len(second.sent) == 50, "all emails")

    assert sorted(map(int, first.sent + second.sent)) == list(range(50))
    assert first.sent
    assert second.sent


async def test_task_queue_worker_that_comes_later_shares_what_waits(run_worker: Any) -> None:
    """The first holds no more than it is about to do."""
    first, second = Enqueued(), Enqueued()

    def slowly(outbox: Enqueued) -> Any:
        async def send_email(email: SendEmail, message: Message) -> None:
            await outbox.send(email, message)
            await asyncio.sleep(0.05)

        return task_of(send_email)

    async with run_worker(slowly(first)):
        for number in range(40):
            await enqueue("emails.send_email", {"to": str(number)})
        async with run_worker(slowly(second)):
            await until(lambda: len(first.sent) + len(second.sent) == 40, "all emails")
    assert len(second.sent) >= 5


async def test_task_queue_process_tasks_of_several_types(run_worker: Any) -> None:
    done: list[str] = []

    async def process_image(payload: dict[str, Any]) -> None:
        done.append(f"image {payload['image_id']}")

    async def generate_report(payload: dict[str, Any]) -> None:
        done.append(f"report {payload['report_type']}")

    async with run_worker(task_of(process_image, "process_image"), task_of(generate_report, "generate_report")):
        await enqueue("emails.process_image", {"image_id": "img_123"})
        await enqueue("emails.generate_report", {"report_type": "daily"})
        await until(lambda: len(done) == 2, "both")

    assert sorted(done) == ["image img_123", "report daily"]


async def test_task_queue_priorities_high_overtakes_low_under_load(run_worker: Any, outbox: Enqueued) -> None:
    """A worker that is busy with low tasks, of which it holds some already, does the high ones next."""
    go_on = asyncio.Event()

    async def send_email(email: SendEmail, message: Message) -> None:
        await outbox.send(email, message)
        await go_on.wait()
        await asyncio.sleep(0.002)

    task = task_of(send_email, prefetch=20)
    async with run_worker(task) as worker:
        for number in range(100):
            await task.enqueue(SendEmail(to=f"low {number}"), priority="low")
        await until(lambda: outbox.sent and len(worker.runners[0].buffer) >= 19, "a full buffer")
        for number in range(10):
            await task.enqueue(SendEmail(to=f"normal {number}"))
        for number in range(10):
            await task.enqueue(SendEmail(to=f"high {number}"), priority="high")
        await until(lambda: len(worker.runners[0].buffer) >= 39, "high and normal ones beside the low ones")
        go_on.set()
        await until(lambda: len(outbox.sent) == 120, "all of them")

    order = [one.split()[0] for one in outbox.sent]
    assert order == ["low"] + ["high"] * 10 + ["normal"] * 10 + ["low"] * 99
    assert outbox.sent[1:11] == [f"high {number}" for number in range(10)]


async def test_task_queue_delay(run_worker: Any, jetstream: JetStreamContext, outbox: Enqueued) -> None:
    task = sending(outbox)
    async with run_worker(task):
        began = time.monotonic()
        later = await task.enqueue(SendEmail(to="later"), delay=1, priority="high", result_ttl=60)
        await task.enqueue(SendEmail(to="at"), at=datetime.now(UTC) + timedelta(seconds=1.2))
        await task.enqueue(SendEmail(to="past"), at=datetime.now(UTC) - timedelta(days=1))
        await task.enqueue(SendEmail(to="now"))
        status = await later.status()
        assert status is not None
        assert status.state == "queued"
        assert (await later.result(timeout=10)).to == "later"
        assert time.monotonic() - began >= 0.9
        await until(lambda: len(outbox.sent) == 4, "all of them")
        assert outbox.sent == ["past", "now", "later", "at"]
        assert outbox.messages[2].id == later.id
        assert outbox.messages[2].subject == "queue.emails.high.send_email"
    assert await stream_messages(jetstream) == 0

    with pytest.raises(ValueError, match="delay is -1"):
        await task.enqueue(SendEmail(to="never"), delay=-1)
    with pytest.raises(ValueError, match="time zone"):
        await task.enqueue(SendEmail(to="never"), at=datetime(2030, 1, 1))


async def test_task_queue_delayed_task_outlives_every_worker(run_worker: Any, outbox: Enqueued) -> None:
    task = sending(outbox)
    async with run_worker(idle()):
        await task.enqueue(SendEmail(to="later"), delay=0.5)
    assert not outbox.sent
    async with run_worker(task):
        await until(lambda: outbox.sent, "the email")


async def test_task_queue_recurring_task_runs_once_however_many_workers(
    run_worker: Any, jetstream: JetStreamContext
) -> None:
    runs: list[tuple[str, int, datetime]] = []

    def recurring(worker: str) -> Any:
        async def clean_up(payload: dict[str, Any], message: Message) -> None:
            runs.append((payload["scope"], message.sequence, message.stored_at))

        return task_of(clean_up, "clean_up", schedule=every(1, payload={"scope": "all"}))

    async with run_worker(recurring("one")), run_worker(recurring("two")):
        await until(lambda: len(runs) >= 3, "three runs", limit=30)
    scopes, sequences, times = zip(*runs, strict=True)
    assert {*scopes} == {"all"}
    assert len({*sequences}) == len(sequences)
    first, _, third, *_ = sorted(times)
    assert third - first > timedelta(seconds=1.2), "one each second, and not one for each worker"

    async def clean_up(payload: dict[str, Any]) -> None: ...

    assert await recurring_schedules(jetstream) == 1
    async with run_worker(task_of(clean_up, "clean_up")):  # a newer version, that has no schedule any more
        assert await recurring_schedules(jetstream) == 0


async def test_task_queue_recurring_task_at_times_of_a_time_zone(run_worker: Any, jetstream: JetStreamContext) -> None:
    runs: list[str] = []

    async def report(payload: SendEmail) -> None:
        runs.append(payload.to)

    payload = SendEmail(to="boss@example.com")
    task = task_of(report, "report", schedule=cron("*/1 * * * * *", timezone="Europe/Berlin", payload=payload))
    async with run_worker(task):
        first = (await jetstream.get_last_msg("QUEUE_EMAILS", "queue.emails.recurring.report")).seq
        await until(lambda: len(runs) >= 2, "two runs")
    async with run_worker(task):
        assert (await jetstream.get_last_msg("QUEUE_EMAILS", "queue.emails.recurring.report")).seq == first  # kept

    assert set(runs) == {"boss@example.com"}


async def test_task_queue_schedule_that_the_server_does_not_know_stops_the_start(run_worker: Any) -> None:
    async def report(payload: dict[str, Any]) -> None: ...

    with pytest.raises(ConfigurationError, match="the schedule of report: message schedules"):
        async with run_worker(task_of(report, "report", schedule=cron("61 * * * *"))):
            pass


async def test_task_queue_results(run_worker: Any, outbox: Enqueued) -> None:
    go_on = asyncio.Event()

    async def send_email(email: SendEmail, message: Message) -> Receipt:
        await go_on.wait()
        return await outbox.send(email, message)

    task = task_of(send_email)
    async with run_worker(task):
        ticket = await task.enqueue(SendEmail(to="ada@example.com"), result_ttl=60)
        await until_state(ticket, "running")
        waiting = asyncio.create_task(ticket.result(timeout=10))
        with pytest.raises(ResultTimeout, match=r"is not done within 0\.1 s: it is running"):
            await ticket.result(timeout=0.1)
        go_on.set()
        receipt = await waiting
        assert isinstance(receipt, Receipt)
        assert receipt.to == "ada@example.com"
        status = await ticket.status()
        assert status is not None
        assert (status.state, status.attempt) == ("done", 1)

        from_elsewhere = ticket_for("emails.send_email", ticket.id)
        assert (await from_elsewhere.result(timeout=10))["to"] == "ada@example.com"

        without = await task.enqueue(SendEmail(to="ada@example.com"))
        with pytest.raises(NoResult, match="result_ttl"):
            await without.result()


async def test_task_queue_result_is_forgotten_after_its_time(run_worker: Any, outbox: Enqueued) -> None:
    task = sending(outbox, result_ttl=3)
    async with run_worker(task):
        ticket = await task.enqueue(SendEmail(to="ada@example.com"))
        await ticket.result(timeout=10)

        async def forgotten() -> bool:
            return await ticket.status() is None

        await until(forgotten, "the result to be forgotten", limit=30)


async def test_task_queue_result_of_a_failed_task(run_worker: Any, jetstream: JetStreamContext) -> None:
    async def send_email(email: SendEmail) -> None:
        raise Reject("no such address") if email.to == "nobody" else OSError("mail server away")

    task = task_of(send_email, max_attempts=3)
    async with run_worker(task) as worker:
        rejected = await task.enqueue(SendEmail(to="nobody"), result_ttl=60)
        with pytest.raises(TaskFailed, match=r"failed \(rejected\): Reject: no such address") as failure:
            await rejected.result(timeout=10)
        assert failure.value.reason == "rejected"
        exhausted = await task.enqueue(SendEmail(to="ada@example.com"), result_ttl=60)
        with pytest.raises(TaskFailed, match="OSError: mail server away"):
            await exhausted.result(timeout=10)
        status = await exhausted.status()
        assert status is not None
        assert (status.state, status.attempt, status.reason) == ("failed", 3, "exhausted")
        invalid = await enqueue("emails.send_email", {"nonsense": 1}, result_ttl=60)
        with pytest.raises(TaskFailed, match="invalid"):
            await invalid.result(timeout=10)
        await until(lambda: Counts(worker.runners[0]).dead_letters.total() == 3, "the dead letters")

    letter = await jetstream.get_last_msg("DLQ", "dlq.billing.send_email")
    assert (letter.headers or {})["Dlq-Subject"] == "queue.emails.normal.send_email"
    assert await stream_messages(jetstream) == 0


async def test_task_queue_result_is_there_only_when_all_is_published(run_worker: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr("src.infrastructure.publishing.RETRY_FOR", 0.1)

    async def send_email(email: SendEmail, message: Message) -> str:
        message.publish("nowhere.email.sent", {})
        return "sent"

    async with run_worker(task_of(send_email, max_attempts=1)):
        ticket = await enqueue("emails.send_email", {"to": "ada"}, result_ttl=60)
        with pytest.raises(TaskFailed, match=r"no stream stores nowhere\.email\.sent"):
            await ticket.result(timeout=10)


async def test_task_queue_what_was_not_enqueued_has_no_state(run_worker: Any) -> None:
    async with run_worker(idle()):
        with pytest.raises(TooLarge):
            await enqueue("emails.send_email", {"to": "x" * 2_000_000}, result_ttl=60, task_id="large")
        assert await ticket_for("emails.send_email", "large").status() is None


async def test_task_queue_result_that_cannot_be_kept_is_no_reason_to_do_it_again(run_worker: Any) -> None:
    starts = 0

    async def render(payload: dict[str, Any]) -> str:
        nonlocal starts
        starts += 1
        return "x" * 2_000_000

    async with run_worker(task_of(render, "render")):
        ticket = await enqueue("emails.render", result_ttl=60)
        with pytest.raises(TaskFailed, match=r"rejected.*its result cannot be kept: TooLarge"):
            await ticket.result(timeout=10)
    assert starts == 1


async def test_task_queue_retries_with_backoff(run_worker: Any, jetstream: JetStreamContext) -> None:
    attempts: list[int] = []

    async def send_email(email: SendEmail, message: Message) -> None:
        attempts.append(message.attempt)
        if len(attempts) < 3:
            raise Retry("not yet", after=0.02)

    async with run_worker(task_of(send_email)) as worker:
        await enqueue("emails.send_email", {"to": "ada@example.com"}, priority="low")
        await until(lambda: Counts(worker.runners[0]).handled == 1, "the third attempt")

    assert attempts == [1, 2, 3]
    assert Counts(worker.runners[0]).retried == 2
    assert await stream_messages(jetstream) == 0


async def test_task_queue_retry_keeps_its_priority(run_worker: Any) -> None:
    seen: list[tuple[str, int]] = []

    async def send_email(email: SendEmail, message: Message) -> None:
        seen.append((message.subject, message.attempt))
        if len(seen) == 1:
            raise Retry("later", after=0.6)

    async with run_worker(task_of(send_email)):
        ticket = await enqueue("emails.send_email", {"to": "ada@example.com"}, priority="high", result_ttl=60)
        assert await ticket.result(timeout=10) is None

    assert seen == [("queue.emails.high.send_email", 1), ("queue.emails.high.send_email", 2)]


async def test_task_queue_timeout(run_worker: Any) -> None:
    async def send_email(email: SendEmail) -> None:
        await asyncio.sleep(60)

    async with run_worker(task_of(send_email, timeout=0.05, max_attempts=2)):
        ticket = await enqueue("emails.send_email", {"to": "ada@example.com"}, result_ttl=60)
        with pytest.raises(
            TaskFailed, match=r"exhausted.*TimeoutError: the handler ran longer than its timeout of 0\.05 s"
        ):
            await ticket.result(timeout=10)


async def test_task_queue_done_once_with_an_inbox(
    run_worker: Any, jetstream: JetStreamContext, outbox: Enqueued
) -> None:
    async with run_worker(sending(outbox), DEDUP="nats-kv") as worker:
        for _ in range(2):  # as after the stream's duplicate window, without an id that the stream knows
            headers = {"Task-Id": "one"}
            await jetstream.publish("queue.emails.normal.send_email", b'{"to": "ada"}', headers=headers)
        await until(lambda: Counts(worker.runners[0]).duplicate == 1, "the second one")
    assert outbox.sent == ["ada"]


async def test_task_queue_tasks_of_a_task_follow_from_it(run_worker: Any, outbox: Enqueued) -> None:
    """An attempt that is made again enqueues nothing twice."""
    starts = 0

    async def plan(payload: dict[str, Any], message: Message) -> None:
        nonlocal starts
        starts += 1
        await enqueue("emails.send_email", {"to": "ada"}, delay=0.1)
        await enqueue("emails.send_email", {"to": "bob"})
        if starts == 1:
            raise OSError("after it has enqueued")

    async with run_worker(task_of(plan, "plan"), sending(outbox)) as worker:
        ticket = await enqueue("emails.plan", headers={"Correlation-Id": "corr_123", "traceparent": "00-1-2-01"})
        await until(lambda: Counts(worker.runners[0]).handled == 1 and len(outbox.sent) >= 2, "both emails")

    assert sorted(outbox.sent) == ["ada", "bob"]
    assert {message.correlation_id for message in outbox.messages} == {"corr_123"}
    assert {message.headers["Causation-Id"] for message in outbox.messages} == {ticket.id}


async def test_task_queue_graceful_stop_gives_back_what_waits(run_worker: Any, outbox: Enqueued) -> None:
    started = asyncio.Event()

    async def send_email(email: SendEmail) -> None:
        started.set()
        await asyncio.sleep(60)

    async with run_worker(task_of(send_email, prefetch=10), GRACEFUL_SHUTDOWN_TIMEOUT=0.1):
        for number in range(5):
            await enqueue("emails.send_email", {"to": str(number)}, priority="low")
        await started.wait()
    async with run_worker(sending(outbox)):
        await until(lambda: len(outbox.sent) == 5, "all five, long before ack_wait ends", limit=20)


async def test_task_queue_full_refuses_and_drops_nothing(
    run_worker: Any, jetstream: JetStreamContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queues, "settings", queues.settings.model_copy(update={"TASK_QUEUE_MAX": 3}))
    async with run_worker(idle()):
        for number in range(3):
            await enqueue("full.send_email", {"to": str(number)})
        with pytest.raises(QueueFull, match="queue full has 3 tasks; TASK_QUEUE_MAX is 3"):
            await enqueue("full.send_email", {"to": "4"})
    assert await stream_messages(jetstream, "QUEUE_FULL") == 3
    assert (await jetstream.get_msg("QUEUE_FULL", 1)).data == b'{"to":"0"}'


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        ({}, "has the retention limits; tasks need workqueue"),
        ({"retention": "workqueue", "max_msgs": 10}, "has limits beyond which it drops waiting tasks"),
    ],
    ids=["retention", "limits"],
)
async def test_task_queue_stream_that_would_lose_tasks_is_refused(
    run_worker: Any, jetstream: JetStreamContext, outbox: Enqueued, config: dict[str, Any], problem: str
) -> None:
    await jetstream.add_stream(StreamConfig(name="QUEUE_EMAILS", subjects=["queue.emails.>"], **config))
    with pytest.raises(ConfigurationError, match=problem):
        async with run_worker(sending(outbox)):
            pass
    async with run_worker(idle()):
        with pytest.raises(ConfigurationError, match=problem):
            await enqueue("emails.send_email", {"to": "ada"})


async def test_task_queue_stream_without_schedules_does_nothing_later(
    run_worker: Any, jetstream: JetStreamContext, outbox: Enqueued
) -> None:
    """As of a server before 2.12, which would just keep what is to be sent."""
    await jetstream.add_stream(StreamConfig(name="QUEUE_EMAILS", subjects=["queue.emails.>"], retention="workqueue"))
    async with run_worker(sending(outbox)):
        with pytest.raises(ConfigurationError, match="QUEUE_EMAILS has no message schedules"):
            await enqueue("emails.send_email", {"to": "later"}, delay=60)
        await enqueue("emails.send_email", {"to": "now"})
        await until(lambda: outbox.sent == ["now"], "the email")
    with pytest.raises(ConfigurationError, match="QUEUE_EMAILS has no message schedules"):
        async with run_worker(sending(outbox, schedule=every(60, payload={"to": "x"}))):
            pass


async def test_task_queue_schedules_are_not_changed_without_leave(
    run_worker: Any, jetstream: JetStreamContext, outbox: Enqueued
) -> None:
    async with run_worker(sending(outbox, schedule=every(60, payload={"to": "x"}))):
        assert await recurring_schedules(jetstream) == 1
    async with run_worker(sending(outbox, schedule=every(60, payload={"to": "x"})), STREAM_MODE="verify"):
        pass
    for other in (None, every(90, payload={"to": "x"})):
        with pytest.raises(ConfigurationError, match="the schedule of send_email differs"):
            async with run_worker(sending(outbox, schedule=other), STREAM_MODE="verify"):
                pass


async def test_task_queue_replayed_dead_letter_is_done_with_its_priority_and_result(
    run_worker: Any, jetstream: JetStreamContext, client: NatsClient
) -> None:
    """What `natsgen dlq replay` does."""
    seen: list[tuple[str, int]] = []

    async def send_email(email: SendEmail, message: Message) -> str:
        seen.append((message.subject, message.attempt))
        if len(seen) == 1:
            raise Reject("not today")
        return "sent"

    async with run_worker(task_of(send_email)):
        ticket = await enqueue("emails.send_email", {"to": "ada"}, priority="high", result_ttl=60)
        with pytest.raises(TaskFailed):
            await ticket.result(timeout=10)
        letter = await jetstream.get_last_msg("DLQ", "dlq.billing.send_email")
        dropped = ("Nats-", "Dlq-Reason", "Dlq-Error", "Dlq-Stack", "Dlq-Attempts", "Dlq-Failed-At")
        headers = {name: text for name, text in (letter.headers or {}).items() if not name.startswith(dropped)}
        await client.publish("replay.billing.send_email", letter.data or b"", headers)
        await until_state(ticket, "done")

        await client.publish("replay.billing.send_email", b'{"to": "bob"}', {"Dlq-Subject": "by_hand"})
        await until(lambda: len(seen) == 3, "what comes from nowhere")

    assert seen == [("queue.emails.high.send_email", 1), ("queue.emails.high.send_email", 1), ("by_hand", 1)]


async def test_task_and_handler_of_one_name_are_refused(run_worker: Any, outbox: Enqueued) -> None:
    with pytest.raises(ConfigurationError, match="share the name tested"):
        async with run_worker(idle(), sending(outbox, name="tested")):
            pass


async def test_task_queue_without_leave_to_make_it(run_worker: Any, jetstream: JetStreamContext) -> None:
    await jetstream.add_stream(StreamConfig(name="DLQ", subjects=["dlq.>", "replay.>"]))
    async with run_worker(STREAM_MODE="verify"):
        with pytest.raises(
            ConfigurationError, match=r"no stream QUEUE_EMAILS for queue\.emails\.>, and STREAM_MODE=verify"
        ):
            await enqueue("emails.send_email", {"to": "ada"})


async def test_task_queue_outlives_a_deleted_stream(
    run_worker: Any, jetstream: JetStreamContext, outbox: Enqueued
) -> None:
    task = sending(outbox)
    async with run_worker(task):
        await jetstream.delete_stream("QUEUE_EMAILS")
        await task.enqueue(SendEmail(to="ada"))
        await until(lambda: outbox.sent == ["ada"], "the email", limit=60)


async def test_task_queue_outlives_a_killed_server(run_worker: Any, nats_server: NatsServer, outbox: Enqueued) -> None:
    task = sending(outbox, schedule=every(1, payload={"to": "again"}))
    async with run_worker(task):
        later = await task.enqueue(SendEmail(to="later"), delay=2, result_ttl=60)
        waiting = asyncio.create_task(later.result(timeout=30))
        await asyncio.to_thread(nats_server.kill)
        await asyncio.to_thread(nats_server.start)
        assert (await waiting).to == "later"
        count = outbox.sent.count("again")
        await until(lambda: outbox.sent.count("again") > count, "another run", limit=60)


async def test_task_queue_refuses_what_the_task_does_not_take(run_worker: Any, outbox: Enqueued) -> None:
    task = sending(outbox)
    async with run_worker(idle()):
        with pytest.raises(InvalidTask, match="invalid payload of send_email"):
            await task.enqueue({"nonsense": 1})
        for name in ("send_email", "Emails.send_email", "emails.*", "emails.a.b", "emails.", ".a", "a b.c"):
            with pytest.raises(ValueError, match="use <queue>"):
                await enqueue(name, {})
        with pytest.raises(ValueError, match="invalid task id"):
            await enqueue("emails.send_email", {}, task_id="a.>")
        with pytest.raises(ConfigurationError, match="priority is 'urgent'"):
            await enqueue("emails.send_email", {}, priority="urgent")  # type: ignore[call-overload]


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"priority": "urgent"}, "priority is 'urgent'"),
        ({"timeout": 0}, "timeout is 0"),
        ({"timeout": float("nan")}, "timeout is nan"),
        ({"result_ttl": 0.5}, r"result_ttl is 0\.5"),
        ({"schedule": every(1, payload={"nonsense": 1})}, "invalid payload of"),
    ],
    ids=str,
)
async def test_task_with_options_that_do_not_fit_is_refused(options: Any, problem: str, outbox: Enqueued) -> None:
    with pytest.raises((ConfigurationError, InvalidTask), match=problem):
        sending(outbox, **options)


def test_schedules_that_are_none_are_refused() -> None:
    for wrong in (
        lambda: every(0.5),
        lambda: every(float("nan")),
        lambda: cron("* * *"),
        lambda: cron("@daily", expires=0),
    ):
        with pytest.raises(ConfigurationError, match="use "):
            wrong()
    assert cron("30 4 * * mon").text == "0 30 4 * * mon"
    assert every(90).headers("a")["Nats-Schedule"] == "@every 90s"
    assert every(1_234_567.5).headers("a")["Nats-Schedule"] == "@every 1234567.5s"


async def test_a_task_that_is_called_runs_right_here(outbox: Enqueued) -> None:
    async def send_email(email: SendEmail) -> str:
        """Sends."""
        assert current.get() is None
        return email.to

    task = task_of(send_email)
    assert await task(SendEmail(to="ada")) == "ada"
    assert (task.__name__, task.__doc__) == ("send_email", "Sends.")


async def test_task_queue_figures(run_worker: Any, nats_server: NatsServer, outbox: Enqueued) -> None:
    async with run_worker(sending(outbox)) as worker:
        await enqueue("emails.send_email", {"to": "ada"})
        await until(lambda: Counts(worker.runners[0]).handled == 1, "the email")
        stats = worker.stats()["subscriptions"]["send_email"]
        assert (stats["subject"], stats["handled"]) == ("queue.emails.*.send_email", 1)
        pulls = [pull.consumer for pull in worker.runners[0].pulls if pull is not worker.runners[0].replays]
        durables = sorted(consumer.durable for consumer in pulls if consumer)
        assert durables == ["billing-send_email", "billing-send_email-high", "billing-send_email-low"]


TESTED = """
from src.infrastructure.message import Message
from src.tasks import enqueue

async def test_a_handler_enqueues(message: Message, queues: None, published: list) -> None:
    ticket = await enqueue("emails.send_email", {"to": "ada"}, priority="high")
    await enqueue("emails.send_email", {"to": "bob"}, delay=60)
    first, second = published
    assert (first.subject, first.data) == ("queue.emails.high.send_email", b'{"to":"ada"}')
    assert first.headers["Task-Id"] == ticket.id
    assert second.headers["Nats-Schedule-Target"] == "queue.emails.normal.send_email"
"""


async def test_a_service_tests_what_its_handlers_enqueue_without_a_server(tmp_path: Path) -> None:
    copy = shutil.copytree(SERVICE, tmp_path / "billing")
    shutil.copytree(TEMPLATE / "tests/tasks", copy / "tests/tasks", ignore=shutil.ignore_patterns("*.jinja"))
    (copy / "tests/tasks/test_enqueueing.py").write_text(TESTED)
    command = [sys.executable, "-m", "pytest", "-q", "tests/tasks/test_enqueueing.py"]
    run = await asyncio.to_thread(subprocess.run, command, cwd=copy, capture_output=True, text=True, timeout=60)
    assert "1 passed" in run.stdout, run.stdout


def idle() -> Subscription:
    """A handler, so that there is a worker."""

    async def handle(event: dict[str, Any]) -> None: ...

    return Subscription(handler="tested", subject=SUBJECT, function=handle)


async def until_state(ticket: Any, state: str) -> None:
    deadline = time.monotonic() + 10
    while (status := await ticket.status()) is None or status.state != state:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


async def recurring_schedules(jetstream: JetStreamContext) -> int:
    info = await jetstream.stream_info("QUEUE_EMAILS", subjects_filter="queue.emails.recurring.>")
    return sum((info.state.subjects or {}).values())


async def test_task_queue_sync_enqueue(run_worker: Any, service_settings: Settings, outbox: Enqueued) -> None:
    """From a script or a synchronous view, as with Celery's `delay()` and `get()`."""
    task = sending(outbox)

    def script() -> tuple[Receipt, str, str]:
        with SyncNats(settings=service_settings) as nats:
            ticket = nats.blocking(task).enqueue(SendEmail(to="ada"), priority="high", delay=0.1, result_ttl=60)
            receipt = ticket.result(timeout=10)
            status = nats.blocking(ticket_for("emails.send_email", ticket.id)).status()
            assert status is not None
            return receipt, status.state, nats.blocking(enqueue)("emails.send_email", {"to": "bob"}).task

    async with run_worker(task):
        receipt, state, name = await asyncio.to_thread(script)
        await until(lambda: len(outbox.sent) == 2, "both emails")
    assert (receipt.to, state, name) == ("ada", "done", "send_email")
