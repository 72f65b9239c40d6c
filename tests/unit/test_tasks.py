"""One task as the answers say it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from natsgen.errors import InputError
from natsgen.parts import tasks
from natsgen.parts.tasks import Task

TASKS = st.builds(
    Task,
    name=st.just("send_email"),
    queue=st.sampled_from(["emails", "e-mails"]),
    priority=st.sampled_from(["high", "normal", "low"]),
    concurrency=st.none() | st.integers(1, 10_000),
    timeout=st.none() | st.integers(1, 604_800) | st.floats(0.001, 604_800),
    max_attempts=st.none() | st.integers(1, 10_000),
)


@given(TASKS)
def test_a_task_is_the_same_after_it_was_an_answer(task: Task) -> None:
    assert Task.from_answer("send_email", task.answer()) == task


def test_a_task_without_options_has_its_queue_in_its_answer() -> None:
    assert Task("send_email", "emails").answer() == {"queue": "emails"}


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ("emails", "takes a mapping of queue, priority"),
        ({}, "needs a queue"),
        ({"queeu": "a"}, "no option 'queeu'; did you mean 'queue'"),
        ({"queue": 1}, "is no queue"),
        ({"queue": "a", "priority": "urgent"}, "is no priority: it is one of high, normal, low"),
        ({"queue": "a", "priority": None}, "is no priority"),
        ({"queue": "a", "concurrency": 0}, "is no concurrency"),
        ({"queue": "a", "timeout": float("nan")}, "is no time limit"),
        ({"queue": "a", "max_attempts": True}, "is no count of attempts"),
    ],
)
def test_an_answer_that_is_no_task_is_refused(answer: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Task.from_answer("send_email", answer)


def test_a_task_and_a_handler_cannot_have_one_name() -> None:
    tasks.check({"send_email": {"queue": "emails"}}, {"email_sent": "mail.email.sent"})
    with pytest.raises(InputError, match="'send_email' is the name of a handler too"):
        tasks.check({"send_email": {"queue": "emails"}}, {"send_email": "mail.email.sent"})


def test_queues_of_a_command_line_are_the_answer() -> None:
    assert tasks.named(["emails", "e-mails=send"]) == {
        "process_emails": {"queue": "emails"},
        "send": {"queue": "e-mails"},
    }
    with pytest.raises(InputError, match="'process_a' is given twice: write QUEUE=TASK"):
        tasks.named(["a", "a"])
    with pytest.raises(InputError, match="is no task name"):
        tasks.named(["a="])


def test_each_queue_is_told_once() -> None:
    assert tasks.queues_of({"a": {"queue": "x"}, "b": {"queue": "y"}, "c": {"queue": "x"}}) == ("x", "y")


def test_a_task_has_subject_stream_and_durable() -> None:
    task = Task("send_email", "e-mails")
    assert task.subject == "queue.e-mails.*.send_email"
    assert tasks.stream_of(task.queue) == "QUEUE_E-MAILS"
    assert task.durable_in("mailer") == "mailer-send_email"
