"""One route as the answers say it, and as a person types it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from natsgen.errors import InputError
from natsgen.parts import routes
from natsgen.parts.routes import Route, Target

GREET = {"method": "POST", "path": "/greet", "call": "v1.greeter.greet"}
ROUTES = st.builds(
    Route,
    name=st.just("greet"),
    method=st.sampled_from(["GET", "POST", "DELETE"]),
    path=st.sampled_from(["/", "/greet", "/orders/{id}"]),
    target=st.builds(Target, st.sampled_from(["a", "a.b", "v1.greeter.greet"]), st.booleans()),
)


@given(ROUTES)
def test_a_route_is_the_same_after_it_was_an_answer_or_a_text(route: Route) -> None:
    assert Route.from_answer("greet", route.answer()) == route
    text = f"{route.method} {route.path}={route.target.verb}:{route.target.subject}"
    assert Route.from_text(text, "greet") == route


@pytest.mark.parametrize(
    ("text", "route"),
    [
        ("POST /greet=v1.greeter.greet", Route("greet", "POST", "/greet", Target("v1.greeter.greet"))),
        ("get /=call:a.b", Route("b", "GET", "/", Target("a.b"))),
        (
            "PUT /orders/{id}=publish:orders.order.placed",
            Route("order_placed", "PUT", "/orders/{id}", Target("orders.order.placed", publishes=True)),
        ),
        (" POST  /greet = v1.greeter.greet ", Route("greet", "POST", "/greet", Target("v1.greeter.greet"))),
    ],
)
def test_a_route_is_read_from_what_a_person_types(text: str, route: Route) -> None:
    assert Route.from_text(text) == route


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is no route: it takes METHOD PATH=SUBJECT"),
        ("POST /greet", "is no route: it takes METHOD PATH=SUBJECT"),
        ("/greet=a.b", "is no route"),
        ("POST=a.b", "is no route"),
        ("POST\t/a=a.b", "is no route"),
        ("POST /a\n=a.b", "is no path"),
        ("POST /a=a.b\n", "is no subject"),
        ("POST /a /b=a.b", "is no route"),
        ("FETCH /greet=a.b", "'FETCH' is no method"),
        ("POST greet=a.b", "'greet' is no path"),
        ("POST /greet=", "'' is no subject for a route"),
        ("POST /greet=a=b", "'a=b' is no subject"),
        ("POST /greet=publish:", "'' is no subject"),
        ("POST /greet=call: a.b", "' a.b' is no subject"),
        ("POST /greet=send:a.b", "before the : is call or publish, not 'send'"),
        ("POST /greet=PUBLISH:a.b", "not 'PUBLISH'"),
        ("POST /greet=publish:a.>", "takes no wildcards"),
    ],
)
def test_what_is_no_route_is_refused(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Route.from_text(text)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ("POST /greet=a.b", "takes a mapping with method, path"),
        ({}, "takes one of call and publish"),
        ({**GREET, "publish": "a.b"}, "takes one of call and publish"),
        ({**GREET, "pth": "/x"}, "no option 'pth'; did you mean 'path'"),
        ({**GREET, "method": None}, "needs method, as text"),
        ({**GREET, "path": 1}, "needs path, as text"),
        ({**GREET, "call": ["a.b"]}, "needs call, as text"),
        ({**GREET, "method": "get"}, "'get' is no method of a route.*try 'GET'"),
        ({**GREET, "path": "greet"}, "is no path"),
        ({**GREET, "call": "a.*"}, "is no subject"),
    ],
)
def test_an_answer_that_is_no_route_is_refused(answer: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Route.from_answer("greet", answer)


def test_two_that_answer_the_same_are_refused() -> None:
    routes.check({"a": GREET, "b": {**GREET, "method": "PUT"}, "c": {**GREET, "path": "/Greet"}})
    same = {"a": {**GREET, "path": "/x/{id}"}, "b": {**GREET, "path": "/x/{name}"}}
    with pytest.raises(InputError, match=r"'a' and 'b' both answer POST /x/\{name\}"):
        routes.check(same)


def test_routes_of_a_command_line_are_the_answer_under_names_of_their_own() -> None:
    typed = ["POST /a=v1.greeter.greet", "POST /b=v2.greeter.greet", "PUT /a=publish:orders.order.created"]
    assert routes.named(typed) == {
        "greet": {"method": "POST", "path": "/a", "call": "v1.greeter.greet"},
        "greeter_greet": {"method": "POST", "path": "/b", "call": "v2.greeter.greet"},
        "order_created": {"method": "PUT", "path": "/a", "publish": "orders.order.created"},
    }
    with pytest.raises(InputError, match="both answer POST /a"):
        routes.named(["POST /a=a.b", "post /a=c.d"])
