"""What the page remembers of messages: one failure told twice is one, order does not matter, and memory is bounded."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from natsgen.dev import history
from natsgen.dev.history import History

FAILURE = {"message": "handler failed", "handler": "order_created", "message_id": "m1", "error": "ValueError: no"}
STACK = "Traceback"


def see(kept: History, what: str) -> None:
    """Lets the history see one of the things that a failed attempt consists of."""
    if what == "message":
        kept.add("orders.order.created", b"{}", {"Nats-Msg-Id": "m1"}, stream="ORDERS", sequence=1)
    elif what == "answer":
        kept.settle("ORDERS", 1, "billing-order_created", b'-NAK {"delay": 1500000000}', 1)
    else:
        kept.log("billing", {**FAILURE, "attempt": 1, "delay_seconds": 1.5, "exception": STACK})


@pytest.mark.parametrize("order", list(itertools.permutations(["message", "answer", "log"])))
def test_a_failure_is_told_once_in_whatever_order_its_parts_are_seen(order: tuple[str, ...]) -> None:
    kept = History()
    kept.handlers["billing-order_created"] = "billing.order_created"
    for what in order:
        see(kept, what)
    (entry,) = kept.chain("m1")[0].life
    assert (entry.who, entry.what, entry.attempt, entry.stack) == ("billing.order_created", "failed", 1, STACK)
    assert entry.text == "handler failed: ValueError: no (again in 1.5 s)"


def test_a_letter_and_its_replay_are_told_of_the_original() -> None:
    kept = History()
    kept.handlers["billing-order_created"] = "billing.order_created"
    see(kept, "message")
    kept.settle("ORDERS", 1, "billing-order_created", b"+TERM exhausted", 5)
    of = {"Dlq-Service": "billing", "Dlq-Handler": "order_created", "Dlq-Stream": "ORDERS", "Dlq-Sequence": "1"}
    why = {"Dlq-Reason": "exhausted", "Dlq-Error-Type": "ValueError", "Dlq-Error": "no", "Dlq-Attempts": "5"}
    kept.add("dlq.billing.order_created", b"{}", {**of, **why}, stream="DLQ", sequence=1)
    kept.add("replay.billing.order_created", b"{}", of, stream="DLQ", sequence=2)
    kept.settle("DLQ", 2, "billing-order_created-replay", b"+ACK", 1)
    original = kept.newest("orders.", 1)[0]
    assert [(one.what, one.text) for one in original.life] == [
        ("dead", "exhausted: ValueError: no"),
        ("replayed", "sent to its handler again"),
        ("handled", ""),
    ]
    assert original.outcomes == {"billing.order_created": "handled"}


@pytest.mark.parametrize(("limit", "value"), [("RECORDS", 10), ("BYTES", 10_000)])
def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch, limit: str, value: int) -> None:
    monkeypatch.setattr(history, limit, value)
    kept = History()
    for number in range(1, 101):
        kept.add(f"a.{number}", b"x" * 500, {"Nats-Msg-Id": f"m{number}"}, stream="A", sequence=number)
        kept.log("billing", {**FAILURE, "message_id": f"m{number}"})
    assert kept.total == 100
    left = kept.newest("", 1000)
    assert len(left) <= 10
    assert left[0].subject == "a.100"
    assert kept.chain("m1") == []


def test_a_filter_finds_subjects_ids_and_handlers() -> None:
    kept = History()
    see(kept, "message")
    see(kept, "log")
    kept.add("parcels.parcel.sent", b"", {})
    found: dict[str, Any] = {text: len(kept.newest(text, 10)) for text in ("", "ORDER", "m1", "billing.", "nothing")}
    assert found == {"": 2, "ORDER": 1, "m1": 1, "billing.": 1, "nothing": 0}
