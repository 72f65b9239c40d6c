from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from natsgen.errors import InputError
from natsgen.parts.handlers import Handler

SOME = st.builds(
    Handler,
    name=st.just("paid"),
    subject=st.just("orders.paid"),
    durable=st.none() | st.from_regex(r"\A[A-Za-z0-9_-]{1,128}\Z"),
    concurrency=st.none() | st.integers(1, 10_000),
    batch=st.booleans(),
)


@given(SOME)
def test_a_handler_is_the_same_after_it_was_an_answer(handler: Handler) -> None:
    assert Handler.from_answer("paid", handler.to_answer()) == handler


def test_the_answer_of_a_handler_without_options_is_its_subject() -> None:
    assert Handler("paid", "orders.paid").to_answer() == "orders.paid"


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ("a b", "invalid subject"),
        (1, "needs a subject, as text"),
        ({}, "needs a subject"),
        ({"subject": "a.b", "durabel": "x"}, "no option 'durabel'; did you mean 'durable'"),
        ({"subject": "a.b", "batch": 1}, "invalid batch '1': use true or false"),
        ({"subject": "a.b", "concurrency": "4"}, "invalid concurrency"),
        ({"subject": "a.b", "durable": 4}, "invalid durable"),
    ],
)
def test_an_answer_that_is_no_handler_is_refused(answer: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Handler.from_answer("paid", answer)


def test_a_durable_is_the_services_and_the_handlers_name_unless_it_is_given() -> None:
    assert Handler("paid", "a.b").durable_in("billing") == "billing-paid"
    assert Handler("paid", "a.b", durable="d").durable_in("billing") == "d"
