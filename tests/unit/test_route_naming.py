"""The names, methods, paths and subjects of routes."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from natsgen.errors import InputError, TemplateError
from natsgen.parts import routes
from natsgen.parts.routes import ROUTES
from natsgen.parts.rules import KEYWORDS
from natsgen.rendering import render, template_source

TAKEN = sorted(ROUTES.name.reserved | KEYWORDS | {"test", "test_connection"})
GREET = {"method": "POST", "path": "/greet", "call": "v1.greeter.greet"}


@pytest.mark.parametrize("name", ["greet", "a", "greet_2_you", "x" * 64, "match", "delete", "list", "get", "id"])
def test_a_name_within_the_rule_is_taken(name: str) -> None:
    assert ROUTES.name.check(name) == name


@pytest.mark.parametrize(
    ("name", "suggested"),
    [
        ("Greet", "greet"),
        ("create-order", "create_order"),
        ("2fa", "route_2fa"),
        ("import", "route_import"),
        ("router", "route_router"),
        ("http", "route_http"),
        ("test_connection", "route_test_connection"),
        ("../greet", "greet"),
        ("x" * 65, "x" * 64),
    ],
)
def test_a_name_outside_the_rule_is_refused_with_one_inside(name: str, suggested: str) -> None:
    with pytest.raises(
        InputError, match=f"invalid route name.*try '{suggested}'$|invalid route name.*try '{suggested}'$"
    ):
        ROUTES.name.check(name)


@given(st.text())
def test_what_is_suggested_is_always_a_valid_name(text: str) -> None:
    try:
        assert ROUTES.name.check(text) == text
    except InputError as error:
        suggestion = re.search(r"; try '(.*)'$", str(error))
        if suggestion:
            assert ROUTES.name.check(suggestion[1]) == suggestion[1]


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/greet",
        "/v1/orders/{order_id}",
        "/orders/{orderId}/items/{item}",
        "/a-b_c.d~e/.well-known",
        "/healthz/x",
        "/" + "x" * 199,
    ],
)
def test_a_path_within_the_rule_is_taken(path: str) -> None:
    assert ROUTES.option("path").check(path) == path


PATHS = {
    "": "starts with /",
    "greet": "starts with /",
    "//": "nothing between two slashes",
    "/a//b": "nothing between two slashes",
    "/a/": "omit the trailing /",
    "/a/../b": "clients remove ..",
    "/.": "clients remove .",
    "/a b": "use letters, digits",
    "/a%20b": "use letters, digits",
    "/é": "use letters, digits",
    "/a?b=c": "use letters, digits",
    "/a\n": "use letters, digits",
    "/{a}.json": "use letters, digits",
    "/{a}{b}": "use letters, digits",
    "/{a": "use letters, digits",
    "/{{a}}": "use letters, digits",
    "/{}": "the parameter ''",
    "/{2}": "the parameter '2'",
    "/{_a}": "the parameter '_a'",
    "/{A}": "the parameter 'A'",
    "/{a-b}": "the parameter 'a-b'",
    "/{a:path}": "the parameter 'a:path'",
    "/{" + "a" * 41 + "}": "at most 40",
    "/{class}": "'class' is a Python keyword",
    "/{nats}": "'nats' would hide",
    "/{a}/{a}": "the parameter 'a' twice",
    "/" + "x" * 200: "201 characters of at most 200",
    **dict.fromkeys(sorted(routes.RESERVED_PATHS), "every gateway answers that itself"),
}


@pytest.mark.parametrize(("path", "message"), PATHS.items())
def test_a_path_outside_the_rule_is_refused(path: str, message: str) -> None:
    with pytest.raises(InputError, match=f"invalid path of a route .*{re.escape(message)}"):
        ROUTES.option("path").check(path)


@pytest.mark.parametrize(
    ("method", "end"),
    [("get", "; did you mean 'GET'?"), ("POTS", "; did you mean 'POST'?"), ("HEAD", "DELETE"), ("", "DELETE")],
)
def test_what_is_no_method_is_refused(method: str, end: str) -> None:
    with pytest.raises(InputError, match=f"use one of GET, POST, PUT, PATCH, DELETE.*{re.escape(end)}$|{end}$"):
        ROUTES.option("method").check(method)


@pytest.mark.parametrize("subject", ["", "a..b", "a.*", "a.>", ">", "a b", "$SRV.PING", "dlq.x", "a." + "x" * 254])
def test_what_is_no_subject_to_send_to_is_refused(subject: str) -> None:
    with pytest.raises(InputError, match="invalid subject for a route"):
        ROUTES.option("call").check(subject)


def test_a_name_is_the_actions_or_that_of_the_events_handler() -> None:
    assert routes.name_for("v1.greeter.greet", publishes=False) == "greet"
    assert routes.name_for("orders.order.created", publishes=True) == "order_created"
    assert routes.name_for("greet", publishes=True) == "greet"
    assert routes.name_for("-.-", publishes=False) == "route_call"


def test_a_name_that_is_taken_gets_longer_and_then_a_number() -> None:
    names = ["greet", "greeter_greet", "v1_greeter_greet", "greet_2", "greet_3"]
    for number, name in enumerate(names):
        assert routes.name_for("v1.greeter.greet", publishes=False, taken=names[:number]) == name


@given(st.from_regex(r"\A[A-Za-z0-9_-]{1,20}(\.[A-Za-z0-9_-]{1,70}){0,3}\Z"), st.booleans())
def test_the_name_for_a_subject_is_always_valid(subject: str, publishes: bool) -> None:
    name = routes.name_for(subject, publishes=publishes)
    assert ROUTES.name.check(name) == name
    assert ROUTES.name.check(routes.name_for(subject, publishes=publishes, taken=[name])) != name


def refusal(routes: Any, framework: str = "fastapi") -> str:
    data = {"service_name": "api", "framework": framework, "routes": routes, "actions": {"hi": {}}}
    with pytest.raises(TemplateError, match="Validation error") as caught:
        render.render(template_source.bundled(), data)
    return str(caught.value)


def test_plain_copier_refuses_the_names_that_the_tool_refuses() -> None:
    said = refusal({name: {**GREET, "path": f"/{number}"} for number, name in enumerate(TAKEN)})
    assert [name for name in TAKEN if f"invalid route name {name}:" not in said] == []
    for name in TAKEN:
        with pytest.raises(InputError):
            ROUTES.name.check(name)


def test_plain_copier_refuses_the_paths_that_the_tool_refuses() -> None:
    paths = {f"p{number}": path for number, path in enumerate([*PATHS, *parameters()])}
    said = refusal({name: {**GREET, "path": path} for name, path in paths.items()})
    assert [path for name, path in paths.items() if f"{name}: " not in said] == []


def parameters() -> list[str]:
    return [f"/{{{name}}}" for name in sorted(routes.RESERVED_PARAMETERS | KEYWORDS)]


def test_no_parameter_that_is_taken_is_a_path() -> None:
    for path in parameters():
        with pytest.raises(InputError, match="rename it"):
            ROUTES.option("path").check(path)


@pytest.mark.parametrize(
    "route",
    [
        "POST /greet=a.b",
        {},
        {**GREET, "publish": "a.b"},
        {"method": "POST", "path": "/greet"},
        {**GREET, "call": "a.*"},
        {**GREET, "call": 1},
        {**GREET, "call": "{{ 3 }}"},
        {**GREET, "method": "get"},
        {**GREET, "method": "HEAD"},
        {**GREET, "path": 1},
        {**GREET, "timeout": 1},
    ],
)
def test_plain_copier_refuses_the_options_that_the_tool_refuses(route: object) -> None:
    refusal({"greet": route})


def test_plain_copier_refuses_routes_that_are_not_apart_or_have_no_framework() -> None:
    same = {**GREET, "path": "/greet/{a}"}
    assert "same method and path" in refusal({"greet": same, "hello": {**same, "path": "/greet/{b}"}})
    assert "routes need a framework" in refusal({"greet": GREET}, "none")
    assert "mapping" in refusal([GREET])
