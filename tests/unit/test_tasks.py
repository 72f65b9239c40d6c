"""One task as the answers say it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from natsgen.errors import InputError
from natsgen.parts import tasks
from natsgen.parts.tasks import Task

SOME = st.builds(
    Task,
    name=st.just("send_email"),
    queue=st.sampled_from(["emails", "e-mails"]),
    priority=st.sampled_from(["high", "normal", "low"]),
    concurrency=st.none() | st.integers(1, 10_000),
    timeout=st.none() | st.integers(1, 604_800) | st.floats(0.001, 604_800),
    max_attempts=st.none() | st.integers(1, 10_000),
)


@given(SOME)
def test_a_task_is_the_same_after_it_was_an_answer(task: Task) -> None:
    assert Task.from_answer("send_email", task.to_answer()) == task


def test_a_task_without_options_has_its_queue_in_its_answer() -> None:
    assert Task("send_email", "emails").to_answer() == {"queue": "emails"}


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ("emails", "must be a mapping of queue, priority"),
        ({}, "needs a queue"),
        ({"queeu": "a"}, "no option 'queeu'; did you mean 'queue'"),
        ({"queue": 1}, "needs a queue, as text"),
        ({"queue": "a", "priority": "urgent"}, "invalid priority 'urgent': use one of high, normal, low"),
        ({"queue": "a", "priority": None}, "invalid priority"),
        ({"queue": "a", "concurrency": 0}, "invalid concurrency"),
        ({"queue": "a", "timeout": float("nan")}, "invalid time limit"),
        ({"queue": "a", "max_attempts": True}, "invalid count of attempts"),
    ],
)
def test_an_answer_that_is_no_task_is_refused(answer: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Task.from_answer("send_email", answer)


def test_queues_of_a_command_line_are_the_answer() -> None:
    assert tasks.from_texts(["emails", "e-mails=send"]) == (Task("process_emails", "emails"), Task("send", "e-mails"))
    with pytest.raises(InputError, match="'process_a' is given twice: write QUEUE=TASK"):
        tasks.from_texts(["a", "a"])
