"""The names, versions and limits of actions."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from natsgen.errors import InputError, TemplateError
from natsgen.parts import actions
from natsgen.parts.actions import ACTIONS
from natsgen.parts.rules import KEYWORDS
from natsgen.rendering import render, template_source

TAKEN = sorted(ACTIONS.name.reserved | KEYWORDS | {"test", "test_connection", "testify"})


@pytest.mark.parametrize("name", ["greet", "a", "greet_2_you", "x" * 64, "match", "print", "list", "true", "none"])
def test_a_name_within_the_rule_is_taken(name: str) -> None:
    assert ACTIONS.name.check(name) == name


@pytest.mark.parametrize(
    ("name", "suggested"),
    [
        ("Greet", "greet"),
        ("sayHello", "say_hello"),
        ("say-hello", "say_hello"),
        ("v1.greeter.greet", "v1_greeter_greet"),
        ("greet\n", "greet"),
        ("2fa", "do_2fa"),
        ("import", "do_import"),
        ("test_connection", "do_test_connection"),
        ("x" * 65, "x" * 64),
        ("../greet", "greet"),
    ],
)
def test_a_name_outside_the_rule_is_refused_with_one_inside(name: str, suggested: str) -> None:
    with pytest.raises(InputError, match=f"try '{suggested}'$"):
        ACTIONS.name.check(name)


@pytest.mark.parametrize("name", ["", "_", "日本", "💥"])
def test_a_name_without_a_single_usable_letter_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="invalid action name"):
        ACTIONS.name.check(name)


@given(st.text())
def test_what_is_suggested_is_always_a_valid_name(text: str) -> None:
    try:
        assert ACTIONS.name.check(text) == text
    except InputError as error:
        suggestion = re.search(r"; try '(.*)'$", str(error))
        if suggestion:
            assert ACTIONS.name.check(suggestion[1]) == suggestion[1]


def test_plain_copier_refuses_the_names_that_the_tool_refuses() -> None:
    for name in TAKEN:
        with pytest.raises(InputError):
            ACTIONS.name.check(name)
    data = {"service_name": "greeter", "actions": {name: {} for name in TAKEN}, "workspace": "shop"}
    with pytest.raises(TemplateError) as caught:
        render.render(template_source.bundled(), data)
    assert [name for name in TAKEN if f"invalid action name {name}:" not in str(caught.value)] == []


@pytest.mark.parametrize(
    "action",
    [
        {"version": -1},
        {"version": "2"},
        {"queue": 1},
        {"concurrency": 0},
        {"timeout": 0},
        {"timeout": True},
        {"timeout": "{{ 3 }}"},
        {"action": "Greet"},
        {"action": "import"},
        {"verison": 2},
        {"subject": "a.b"},
    ],
)
def test_plain_copier_refuses_the_options_that_the_tool_refuses(action: dict[str, object]) -> None:
    data = {"service_name": "greeter", "actions": {"greet": action}, "workspace": "shop"}
    with pytest.raises(TemplateError, match="Validation error"):
        render.render(template_source.bundled(), data)


@pytest.mark.parametrize("actions", [{}, {"greet": {}, "hello": {"action": "greet"}}, {"greet": "x"}])
def test_plain_copier_refuses_actions_that_are_none_or_not_apart(actions: dict[str, object]) -> None:
    with pytest.raises(TemplateError, match="Validation error"):
        render.render(
            template_source.bundled(),
            {"service_name": "greeter", "handlers": {}, "actions": actions, "workspace": "shop"},
        )


@pytest.mark.parametrize("text", ["", "x", "1.5", "-1", "٣", "10000", "9" * 5_000])
def test_a_text_that_is_no_version_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="invalid version"):
        ACTIONS.option("version").parse(text)
    assert ACTIONS.option("version").parse("0") == 0


@pytest.mark.parametrize("text", ["", "x", "-1", "0", "0.0", "3601", "1e3", "nan", "inf", "٣", ".5", "5.", "9" * 5_000])
def test_a_text_that_is_no_time_limit_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="invalid time limit"):
        ACTIONS.option("timeout").parse(text)


def test_a_time_limit_stays_as_it_was_typed() -> None:
    assert [repr(ACTIONS.option("timeout").parse(text)) for text in ("5", "2.5", "0.001")] == ["5", "2.5", "0.001"]


def test_the_name_of_a_version_stays_within_the_limit() -> None:
    assert actions.with_version("greet", 2) == "greet_v2"
    assert ACTIONS.name.check(actions.with_version("x" * 64, 9_999)) == "x" * 58 + "_v9999"
