"""One action as the answers say it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from natsgen.errors import InputError
from natsgen.parts import actions
from natsgen.parts.actions import Action

ACTIONS = st.builds(
    Action,
    name=st.just("greet_v2"),
    action=st.sampled_from(["greet", "greet_v2"]),
    version=st.integers(0, 9_999),
    queue=st.booleans(),
    concurrency=st.none() | st.integers(1, 10_000),
    timeout=st.none() | st.integers(1, 3_600) | st.floats(0.001, 3_600),
)


@given(ACTIONS)
def test_an_action_is_the_same_after_it_was_an_answer(action: Action) -> None:
    assert Action.from_answer("greet_v2", action.answer()) == action


def test_an_action_without_options_has_none_in_its_answer() -> None:
    assert Action("greet", "greet").answer() == {}
    assert Action.from_answer("greet", {}) == Action("greet", "greet", version=1, queue=True)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ("greet", "takes a mapping of action, version"),
        (1, "takes a mapping"),
        ({"verison": 2}, "no option 'verison'; did you mean 'version'"),
        ({"queue": 1}, "queue takes true or false"),
        ({"action": 1}, "action takes text"),
        ({"action": "Greet"}, "is no action name"),
        ({"version": "2"}, "is no version"),
        ({"version": True}, "is no version"),
        ({"version": -1}, "is no version"),
        ({"concurrency": 0}, "is no concurrency"),
        ({"concurrency": None}, "is no concurrency"),
        ({"timeout": "5"}, "is no time limit"),
        ({"timeout": 0}, "is no time limit"),
        ({"timeout": float("nan")}, "is no time limit"),
        ({"timeout": float("inf")}, "is no time limit"),
        ({"timeout": None}, "is no time limit"),
    ],
)
def test_an_answer_that_is_no_action_is_refused(answer: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Action.from_answer("greet", answer)


def test_two_with_one_subject_are_refused() -> None:
    actions.check({"greet": {}, "greet_v2": {"action": "greet", "version": 2}})
    with pytest.raises(InputError, match=r"'greet' and 'hello' are both version 1 of 'greet'"):
        actions.check({"greet": {}, "hello": {"action": "greet"}})


def test_the_subject_has_version_service_and_action() -> None:
    assert Action("greet_v2", "greet", version=2).subject_in("greeter") == "v2.greeter.greet"


def test_names_of_a_command_line_are_the_answer() -> None:
    assert actions.named(["greet", "leave"], 1) == {"greet": {}, "leave": {}}
    assert actions.named(["greet"], 2) == {"greet": {"version": 2}}
    with pytest.raises(InputError, match="'greet' is given twice"):
        actions.named(["greet", "greet"], 1)
