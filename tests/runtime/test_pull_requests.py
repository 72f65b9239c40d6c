"""The bookkeeping of pull requests: what is asked for, and what each status of the server does to it."""

from __future__ import annotations

import pytest

from src.infrastructure.receiving.pull_requests import PullRequests, Then


def asked(prefetch: int = 100, batch: int = 100) -> tuple[PullRequests, str]:
    requests = PullRequests(prefetch)
    return requests, requests.asked(batch)


def test_nothing_is_asked_for_before_half_of_the_prefetch_is_used_up() -> None:
    requests, _ = asked(prefetch=100, batch=100)
    for _ in range(49):
        requests.arrived()
    assert requests.due(held=0) == 0

    requests.arrived()

    assert requests.due(held=0) == 50


def test_what_is_held_counts_against_the_prefetch() -> None:
    requests, _ = asked(prefetch=100, batch=100)
    for _ in range(100):
        requests.arrived()

    assert requests.due(held=100) == 0
    assert requests.due(held=50) == 50
    assert requests.due(held=0) == 100


def test_a_prefetch_of_one_asks_for_one_at_a_time() -> None:
    requests, _ = asked(prefetch=1, batch=1)
    assert requests.due(held=0) == 0

    requests.arrived()

    assert (requests.due(held=1), requests.due(held=0)) == (0, 1)


STATUSES = [
    # code, description, Nats-Pending-Messages, what follows, what is pending afterwards
    ("100", "Idle Heartbeat", None, Then.GO_ON, 100),
    ("408", "Request Timeout", 60, Then.GO_ON, 40),
    ("408", "Interest Expired", 60, Then.GO_ON, 40),
    ("408", "Request Timeout", None, Then.GO_ON, 0),
    ("409", "Batch Completed", 60, Then.GO_ON, 40),
    ("409", "Message Size Exceeds MaxBytes", 60, Then.GO_ON, 40),
    ("409", "Leadership Change", None, Then.GO_ON, 0),
    ("409", "Consumer Deleted", None, Then.PROVISION, 0),
    ("409", "Server Shutdown", 60, Then.IGNORE, 40),
    ("409", "Server Shutdown", None, Then.IGNORE, 100),
    ("404", "No Messages", None, Then.BACK_OFF, 0),
    ("503", "", None, Then.BACK_OFF, 0),
    ("400", "Bad Request", None, Then.MISCONFIGURED, 0),
    ("409", "Exceeded MaxRequestBatch of 10", None, Then.MISCONFIGURED, 0),
    ("409", "Exceeded MaxWaiting", None, Then.MISCONFIGURED, 0),
    ("409", "Consumer is push based", None, Then.MISCONFIGURED, 0),
]


@pytest.mark.parametrize(("code", "description", "left", "then", "pending"), STATUSES)
def test_a_status_does_what_it_means(code: str, description: str, left: int | None, then: Then, pending: int) -> None:
    requests, token = asked()

    assert requests.status(token, code, description, left) is then
    assert requests.pending == pending


def test_a_refused_request_leaves_the_others_waiting() -> None:
    requests, _ = asked(prefetch=100, batch=60)
    refused = requests.asked(40)

    requests.status(refused, "503", "", None)

    assert requests.pending == 60


@pytest.mark.parametrize(("code", "description"), [(code, text) for code, text, *_ in STATUSES])
def test_a_status_of_a_forgotten_request_is_ignored(code: str, description: str) -> None:
    requests, forgotten = asked()
    requests.forget()
    requests.asked(100)

    assert requests.status(forgotten, code, description, 100) is Then.IGNORE
    assert requests.pending == 100


def test_pending_never_falls_below_zero() -> None:
    requests, token = asked(prefetch=10, batch=10)
    for _ in range(12):
        requests.arrived()

    requests.status(token, "408", "Request Timeout", 10)

    assert requests.pending == 0
