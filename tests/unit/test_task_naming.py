"""The names, queues and limits of tasks."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from natsgen.errors import InputError, TemplateError
from natsgen.parts import tasks
from natsgen.parts.rules import KEYWORDS
from natsgen.parts.tasks import TASKS
from natsgen.rendering import render, template_source

TAKEN = sorted(TASKS.name.reserved | KEYWORDS | {"test", "test_connection", "testify"})


@pytest.mark.parametrize("name", ["send_email", "a", "x" * 64, "match", "print", "list", "str"])
def test_a_name_within_the_rule_is_taken(name: str) -> None:
    assert TASKS.name.check(name) == name


@pytest.mark.parametrize(
    ("name", "suggested"),
    [("SendEmail", "send_email"), ("send-email", "send_email"), ("2fa", "do_2fa"), ("task", "do_task")],
)
def test_a_name_outside_the_rule_is_refused_with_one_inside(name: str, suggested: str) -> None:
    with pytest.raises(InputError, match=f"try '{suggested}'$"):
        TASKS.name.check(name)


@pytest.mark.parametrize("name", ["emails", "e", "e-mails", "e_mails_2", "x" * 64])
def test_a_queue_within_the_rule_is_taken(name: str) -> None:
    assert TASKS.option("queue").check(name) == name


@pytest.mark.parametrize("name", ["", "Emails", "e.mails", "e--mails", "-e", "e-", "2e", "x" * 65, "*", ">", "e\n", 1])
def test_a_queue_outside_the_rule_is_refused(name: object) -> None:
    with pytest.raises(InputError, match="invalid queue"):
        TASKS.option("queue").check(name)


@given(st.text())
def test_what_is_suggested_as_a_queue_is_one(text: str) -> None:
    try:
        assert TASKS.option("queue").check(text) == text
    except InputError as error:
        suggestion = re.search(r"; try '(.*)'$", str(error))
        if suggestion:
            assert TASKS.option("queue").check(suggestion[1]) == suggestion[1]


@given(st.from_regex(r"[a-z][a-z0-9]{0,30}([_-][a-z0-9]{1,30}){0,1}", fullmatch=True))
def test_every_queue_gives_a_name_for_its_task(queue: str) -> None:
    name = tasks.from_text(queue).name
    assert TASKS.name.check(name) == name
    assert name.startswith("process_")


def test_plain_copier_refuses_the_names_that_the_tool_refuses() -> None:
    for name in TAKEN:
        with pytest.raises(InputError):
            TASKS.name.check(name)
    for name in (*TAKEN[::8], "Send", "send-email", "x" * 65):
        with pytest.raises(TemplateError, match=f"invalid task name {name}:"):
            render.render(template_source.bundled(), {"service_name": "mailer", "tasks": {name: {"queue": "a"}}})


@pytest.mark.parametrize("text", ["", "0", "-1", "x", "nan", "1e3", "604801", "9" * 5_000])
def test_a_time_limit_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="invalid time limit"):
        TASKS.option("timeout").parse(text)


def test_limits_of_a_command_line_are_read() -> None:
    assert (TASKS.option("timeout").parse("2.5"), TASKS.option("timeout").parse("30")) == (2.5, 30)
    assert TASKS.option("max_attempts").parse("8") == 8
    for text in ("0", "x", "10001", "1.5"):
        with pytest.raises(InputError, match="invalid count of attempts"):
            TASKS.option("max_attempts").parse(text)
