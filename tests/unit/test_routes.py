"""One route as the answers say it, and as a person types it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from natsgen.errors import InputError
from natsgen.parts import routes
from natsgen.parts.routes import ROUTES, Route

GREET = {"method": "POST", "path": "/greet", "call": "v1.greeter.greet"}
SUBJECTS = st.sampled_from(["a", "a.b", "v1.greeter.greet"])
SOME = st.builds(
    Route,
    name=st.just("greet"),
    method=st.sampled_from(["GET", "POST", "DELETE"]),
    path=st.sampled_from(["/", "/greet", "/orders/{id}"]),
)
ROUTE = st.one_of(st.builds(replace, SOME, call=SUBJECTS), st.builds(replace, SOME, publish=SUBJECTS))


@given(ROUTE)
def test_a_route_is_the_same_after_it_was_an_answer_or_a_text(route: Route) -> None:
    assert Route.from_answer("greet", route.to_answer()) == route
    verb = "call" if route.call else "publish"
    assert routes.from_text(f"{route.does}={verb}:{route.subject}", "greet") == route


@pytest.mark.parametrize(
    ("text", "route"),
    [
        ("POST /greet=v1.greeter.greet", Route("greet", "POST", "/greet", call="v1.greeter.greet")),
        ("get /=call:a.b", Route("b", "GET", "/", call="a.b")),
        (
            "PUT /orders/{id}=publish:orders.order.placed",
            Route("order_placed", "PUT", "/orders/{id}", publish="orders.order.placed"),
        ),
        (" POST  /greet = v1.greeter.greet ", Route("greet", "POST", "/greet", call="v1.greeter.greet")),
    ],
)
def test_a_route_is_read_from_what_a_person_types(text: str, route: Route) -> None:
    assert routes.from_text(text) == route


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "invalid route .*: use METHOD PATH=SUBJECT"),
        ("POST /greet", "invalid route .*: use METHOD PATH=SUBJECT"),
        ("/greet=a.b", "invalid route"),
        ("POST=a.b", "invalid route"),
        ("POST\t/a=a.b", "invalid route"),
        ("POST /a\n=a.b", "invalid path"),
        ("POST /a=a.b\n", "invalid subject"),
        ("POST /a /b=a.b", "invalid route"),
        ("FETCH /greet=a.b", "invalid method of a route 'FETCH'"),
        ("POST greet=a.b", "invalid path of a route 'greet'"),
        ("POST /greet=", "invalid subject for a route ''"),
        ("POST /greet=a=b", "invalid subject for a route 'a=b'"),
        ("POST /greet=publish:", "invalid subject for a route ''"),
        ("POST /greet=call: a.b", "invalid subject for a route ' a.b'"),
        ("POST /greet=send:a.b", "use call or publish before the :, not 'send'"),
        ("POST /greet=PUBLISH:a.b", "not 'PUBLISH'"),
        ("POST /greet=publish:a.>", "without wildcards"),
    ],
)
def test_what_is_no_route_is_refused(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        routes.from_text(text)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ("POST /greet=a.b", "must be a mapping of method, path"),
        ({}, "needs a method"),
        ({**GREET, "publish": "a.b"}, "needs either call or publish"),
        ({**GREET, "pth": "/x"}, "no option 'pth'; did you mean 'path'"),
        ({**GREET, "method": None}, "needs a method, as text"),
        ({**GREET, "path": 1}, "needs a path, as text"),
        ({**GREET, "call": ["a.b"]}, "invalid subject for a route"),
        ({**GREET, "method": "get"}, "invalid method of a route 'get'.*did you mean 'GET'"),
        ({**GREET, "path": "greet"}, "invalid path"),
        ({**GREET, "call": "a.*"}, "invalid subject"),
    ],
)
def test_an_answer_that_is_no_route_is_refused(answer: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Route.from_answer("greet", answer)


def test_two_that_answer_the_same_are_refused() -> None:
    def route(name: str, method: str, path: str) -> Route:
        return Route(name, method, path, call="v1.greeter.greet")

    ROUTES.refuse_same([route("a", "POST", "/greet"), route("b", "PUT", "/greet"), route("c", "POST", "/Greet")])
    with pytest.raises(InputError, match=r"'a' and 'b' both answer POST /x/\{name\}"):
        ROUTES.refuse_same([route("a", "POST", "/x/{id}"), route("b", "POST", "/x/{name}")])


def test_routes_of_a_command_line_are_the_answer_under_names_of_their_own() -> None:
    typed = ["POST /a=v1.greeter.greet", "POST /b=v2.greeter.greet", "PUT /a=publish:orders.order.created"]
    assert routes.from_texts(typed) == (
        Route("greet", "POST", "/a", call="v1.greeter.greet"),
        Route("greeter_greet", "POST", "/b", call="v2.greeter.greet"),
        Route("order_created", "PUT", "/a", publish="orders.order.created"),
    )
    with pytest.raises(InputError, match="both answer POST /a"):
        routes.from_texts(["POST /a=a.b", "post /a=c.d"])
