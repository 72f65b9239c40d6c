"""The flows of the map: who publishes, which stream stores, who consumes, and how much."""

from __future__ import annotations

from collections import Counter

from nats.js.api import StreamConfig, StreamInfo, StreamState

from natsgen.dev import flows
from natsgen.dev.catalog import Catalog, Part


def test_subjects_that_services_name_come_first_and_wildcards_take_what_they_match() -> None:
    part = Part("handler", "order", "order_handler.py", "orders.*", "billing-order", publishes=("invoices.written",))
    state = StreamState(messages=0, bytes=0, first_seq=0, last_seq=0, consumer_count=0)
    streams = {"ORDERS": StreamInfo(StreamConfig(name="ORDERS", subjects=["orders.>"]), state)}
    published = Counter({"orders.a": 2, "orders.b": 3, "orders.b.c": 1, "other": 4, "dlq.billing.order": 5})
    rates = {"orders.a": 0.5, "orders.b": 1.0, "billing-order": 1.5}
    found = flows.find([Catalog("billing", ("invoices.written", "said"), (part,))], published, rates, streams)
    assert [(one["subject"], one["stream"], one["total"], one["rate"], one["publishers"]) for one in found] == [
        ("invoices.written", "", 0, 0, ["billing.order"]),
        ("orders.*", "ORDERS", 5, 1.5, []),
        ("said", "", 0, 0, ["billing"]),
        ("orders.b.c", "ORDERS", 1, 0, []),
        ("other", "", 4, 0, []),
    ]
    consumers = [one["consumers"] for one in found]
    assert consumers == [[], [{"who": "billing.order", "kind": "handler", "rate": 1.5}], [], [], []]
