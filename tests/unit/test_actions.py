"""One action as the answers say it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from natsgen.errors import InputError
from natsgen.parts import actions
from natsgen.parts.actions import ACTIONS, Action

SOME = st.builds(
    Action,
    name=st.just("greet_v2"),
    action=st.sampled_from(["greet", "greet_v2"]),
    version=st.integers(0, 9_999),
    queue=st.booleans(),
    concurrency=st.none() | st.integers(1, 10_000),
    timeout=st.none() | st.integers(1, 3_600) | st.floats(0.001, 3_600),
)


@given(SOME)
def test_an_action_is_the_same_after_it_was_an_answer(action: Action) -> None:
    assert Action.from_answer("greet_v2", action.to_answer()) == action


def test_an_action_without_options_has_none_in_its_answer() -> None:
    assert Action("greet", "greet").to_answer() == {}
    assert Action.from_answer("greet", {}) == Action("greet", "greet", version=1, queue=True)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ("greet", "must be a mapping of action, version"),
        (1, "must be a mapping"),
        ({"verison": 2}, "no option 'verison'; did you mean 'version'"),
        ({"queue": 1}, "invalid queue '1': use true or false"),
        ({"action": 1}, "invalid action name"),
        ({"action": "Greet"}, "invalid action name"),
        ({"version": "2"}, "invalid version"),
        ({"version": True}, "invalid version"),
        ({"version": -1}, "invalid version"),
        ({"concurrency": 0}, "invalid concurrency"),
        ({"concurrency": None}, "invalid concurrency"),
        ({"timeout": "5"}, "invalid time limit"),
        ({"timeout": 0}, "invalid time limit"),
        ({"timeout": float("nan")}, "invalid time limit"),
        ({"timeout": float("inf")}, "invalid time limit"),
        ({"timeout": None}, "invalid time limit"),
    ],
)
def test_an_answer_that_is_no_action_is_refused(answer: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Action.from_answer("greet", answer)


def test_two_with_one_subject_are_refused() -> None:
    ACTIONS.refuse_same([Action("greet"), Action("greet_v2", "greet", version=2)])
    with pytest.raises(InputError, match=r"'greet' and 'hello' both answer greet: give one another version"):
        ACTIONS.refuse_same([Action("greet"), Action("hello", "greet")])


def test_the_subject_has_version_service_and_action() -> None:
    assert Action("greet_v2", "greet", version=2).subject_in("greeter") == "v2.greeter.greet"


def test_names_of_a_command_line_are_the_answer() -> None:
    assert actions.from_names(["greet", "leave"]) == (Action("greet"), Action("leave"))
    assert actions.from_names(["greet"], 2) == (Action("greet", version=2),)
    with pytest.raises(InputError, match="'greet' is given twice"):
        actions.from_names(["greet", "greet"])
