"""Waiting ends with the condition, with the limit, or with the death of what is watched."""

from __future__ import annotations

import time

import pytest

from natsgen.harness.errors import ProcessDied, WaitTimeout
from natsgen.harness.waiting import wait_until


def test_returns_the_first_truthy_value() -> None:
    values = iter([None, 0, "there"])
    assert wait_until(lambda: next(values), limit=30, what="a value", every=0.001) == "there"


def test_an_exception_counts_as_not_yet() -> None:
    tries = []

    def condition() -> bool:
        tries.append(1)
        if len(tries) < 3:
            raise ConnectionRefusedError("nobody listens")
        return True

    assert wait_until(condition, limit=30, what="a listener", every=0.001)


def test_the_error_says_what_was_waited_for_and_the_last_value() -> None:
    with pytest.raises(WaitTimeout, match=r"timed out after 0\.01 s waiting for two messages; last value: 0"):
        wait_until(lambda: 0, limit=0.01, what="two messages")


def test_the_error_has_the_last_exception() -> None:
    def condition() -> bool:
        raise ConnectionRefusedError("nobody listens")

    with pytest.raises(WaitTimeout, match="ConnectionRefusedError: nobody listens") as caught:
        wait_until(condition, limit=0, what="a listener")
    assert isinstance(caught.value.__cause__, ConnectionRefusedError)


def test_the_death_of_what_is_watched_ends_the_wait_at_once() -> None:
    def alive() -> None:
        raise ProcessDied("worker has ended with exit code 1")

    started = time.monotonic()
    with pytest.raises(ProcessDied):
        wait_until(lambda: False, limit=30, what="readiness", alive=alive)
    assert time.monotonic() - started < 5
