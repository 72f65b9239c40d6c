"""Publishers and subscribers as answers say them, and as source does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from natsgen.errors import InputError
from natsgen.parts import naming, publishers, subscribers
from natsgen.parts.kinds import KINDS
from natsgen.parts.publishers import PUBLISHERS, Publisher
from natsgen.parts.subscribers import SUBSCRIBERS, Subscriber

SOME_PUBLISHERS = st.builds(
    Publisher,
    name=st.just("paid"),
    subject=st.just("orders.paid"),
    interval=st.none() | st.integers(1, 86_400) | st.floats(0.001, 86_400),
    core=st.booleans(),
)
SOME_SUBSCRIBERS = st.builds(
    Subscriber,
    name=st.just("paid"),
    subject=st.sampled_from(["orders.paid", "*.paid", "orders.>"]),
    queue_group=st.none() | st.from_regex(r"\A[A-Za-z0-9_-]{0,128}\Z"),
)


@given(SOME_PUBLISHERS)
def test_a_publisher_is_the_same_after_it_was_an_answer(publisher: Publisher) -> None:
    assert Publisher.from_answer("paid", publisher.to_answer()) == publisher


@given(SOME_SUBSCRIBERS)
def test_a_subscriber_is_the_same_after_it_was_an_answer(subscriber: Subscriber) -> None:
    assert Subscriber.from_answer("paid", subscriber.to_answer()) == subscriber


def test_the_answer_of_one_without_options_is_its_subject() -> None:
    assert Publisher("paid", "orders.paid").to_answer() == "orders.paid"
    assert Subscriber("paid", "orders.paid").to_answer() == "orders.paid"
    assert Subscriber("paid", "orders.paid", queue_group="").to_answer() == {
        "subject": "orders.paid",
        "queue_group": "",
    }


@pytest.mark.parametrize(
    ("kind", "answer", "message"),
    [
        ("publishers", "a b", "invalid subject for a publisher"),
        ("publishers", "a.*", "without wildcards"),
        ("publishers", "dlq.a", "is reserved"),
        ("publishers", "$JS.a", "belong to the NATS server"),
        ("publishers", {"subject": "a.b", "intervall": 1}, "no option 'intervall'; did you mean 'interval'"),
        ("publishers", {"subject": "a.b", "interval": 0}, "invalid interval"),
        ("publishers", {"subject": "a.b", "interval": True}, "invalid interval"),
        ("publishers", {"subject": "a.b", "interval": "2"}, "invalid interval"),
        ("publishers", {"subject": "a.b", "core": 1}, "invalid core '1': use true or false"),
        ("publishers", 1, "the publisher 'paid' needs a subject, as text"),
        ("subscribers", ">", "matches everything"),
        ("subscribers", "a.>.b", "> may only be the last token"),
        ("subscribers", "_inbox.>", "is reserved"),
        ("subscribers", {"subject": "a.b", "queue": "x"}, "no option 'queue'"),
        ("subscribers", {"subject": "a.b", "queue_group": "a b"}, "invalid queue group"),
        ("subscribers", {"subject": "a.b", "queue_group": None}, "invalid queue group"),
        ("subscribers", {}, "the subscriber 'paid' needs a subject"),
    ],
)
def test_an_answer_that_is_none_is_refused(kind: str, answer: Any, message: str) -> None:
    with pytest.raises(InputError, match=message.replace("$", r"\$").replace(">", r"\>").replace("*", r"\*")):
        KINDS[kind].part.from_answer("paid", answer)


@pytest.mark.parametrize("name", ["Paid", "a__b", "tick", "envelope_message", "x" * 65, ""])
def test_a_name_that_would_not_work_is_refused(name: str) -> None:
    for kind in ("publishers", "subscribers"):
        with pytest.raises(InputError, match="name"):
            KINDS[kind].part.from_answer(name, "a.b")


def test_two_subjects_get_names_of_their_own() -> None:
    named = publishers.from_subjects(["a.order.made", "b.order.made", "x"])
    assert {one.name: one.subject for one in named} == {
        "a_order_made": "a.order.made",
        "b_order_made": "b.order.made",
        "x": "x",
    }
    with pytest.raises(InputError, match="given twice"):
        subscribers.from_subjects(["a.b", "a.b"])


@pytest.mark.parametrize(
    ("one", "other", "meet"),
    [("a.b", "a.b", True), ("a.*", "*.c", True), ("a.>", "a.b.c", True), ("a.>", "a", False), ("a.b", "a.b.c", False)],
)
def test_two_subjects_overlap_or_do_not(one: str, other: str, meet: bool) -> None:
    assert naming.overlap(one, other) == naming.overlap(other, one) == meet


@pytest.fixture
def service(tmp_path: Path) -> Path:
    for noun in ("publisher", "subscriber"):
        (tmp_path / f"src/domain/{noun}s").mkdir(parents=True)
    return tmp_path


def write(service: Path, noun: str, source: str, name: str = "events_test") -> None:
    (service / f"src/domain/{noun}s/{name}_{noun}.py").write_text(source)


@pytest.mark.parametrize(
    ("source", "made"),
    [
        ('@publishes("events.test")\nasync def make_events_test(tick): ...', Publisher("events_test", "events.test")),
        (
            '@publishes(subject="events.test", every=0.5, core=True)\nasync def make_events_test(): ...',
            Publisher("events_test", "events.test", 0.5, core=True),
        ),
        ("@publishes(SUBJECT)\nasync def make_events_test(tick): ...", None),
        ('@publishes("events.test", stream="EVENTS")\nasync def make_events_test(tick): ...', None),
        ('@publishes("events.test")\nasync def make_other(tick): ...', None),
        ('@publishes("a.b")\nasync def make_a(): ...\n@publishes("a.c")\nasync def make_b(): ...', None),
    ],
)
def test_a_publisher_is_what_a_command_would_have_made_or_a_persons(
    service: Path, source: str, made: Publisher | None
) -> None:
    write(service, "publisher", source)
    (file,) = PUBLISHERS.files_in(service)
    assert (file.name, file.error) == ("events_test", "")
    if made is None:
        with pytest.raises(InputError):
            file.regenerated()
    else:
        assert file.regenerated() == made


def test_a_subscriber_is_what_a_command_would_have_made(service: Path) -> None:
    write(service, "subscriber", '@listens("events.>", queue="workers")\nasync def hear_events_test(event): ...')
    (file,) = SUBSCRIBERS.files_in(service)
    assert file.regenerated() == Subscriber("events_test", "events.>", "workers")
    assert [(part.name, part.line) for part in file.parts] == [("events_test", 2)]


def test_what_cannot_be_read_says_why_and_hides_no_other(service: Path) -> None:
    write(service, "subscriber", "def (")
    write(service, "subscriber", "x = 1", "nothing")
    broken, nothing = SUBSCRIBERS.files_in(service)
    assert broken.error.startswith("line 1")
    assert nothing.error == "it has no @listens"
    assert PUBLISHERS.files_in(service) == ()
