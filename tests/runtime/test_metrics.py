"""Tests of the histogram of a handler's durations."""

from __future__ import annotations

import pytest

from src.infrastructure import metrics


@pytest.mark.parametrize(("ack_wait", "later"), [(20, "30.0"), (30.0, "60.0"), (90.0, "+Inf")])
def test_it_counts_exactly_the_calls_that_take_longer_than_ack_wait(ack_wait: float, later: str) -> None:
    handler = metrics.HandlerMetrics("slow", ack_wait)
    handler.took(ack_wait)
    handler.took(ack_wait + 1)

    samples = metrics.MessageCollector().collect()[-1].samples

    counts = {sample.labels["le"]: sample.value for sample in samples if "le" in sample.labels}
    assert (counts[str(float(ack_wait))], counts[later]) == (1, 2)
