"""Edits at random moments under traffic: no event is lost, and a service never runs twice."""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from natsgen.harness.waiting import wait_until
from tests.dev.conftest import HANDLER, LIMIT, SUBJECT, Dev, Start, event, processes

BROKEN = ("this is no Python\n", "import nothing_of_this_name\n", "1 / 0\n")
EVENTS = 10
"""How many are published between two edits."""


@pytest.mark.parametrize("edits", [12, pytest.param(200, marks=pytest.mark.slow)])
def test_edits_under_traffic_lose_nothing_and_never_run_two(start: Start, workspace: Path, edits: int) -> None:
    chance = random.Random(edits)
    (workspace / "services" / "billing" / ".env").write_text("GRACEFUL_SHUTDOWN_TIMEOUT=60\n")  # a busy machine is slow
    dev = start("billing", "--no-ui")
    dev.wait("billing is ready")
    handler, good = workspace / HANDLER, (workspace / HANDLER).read_text()
    with at_most_one(workspace / "services" / "billing"):
        for edit in range(edits):
            handler.write_text(good + (chance.choice(BROKEN) if chance.random() < 0.3 else f"\n# edit {edit}\n"))
            publish(dev, edit)
            time.sleep(chance.uniform(0, 1.2))  # edits come at any moment, also during a start or a stop
        handler.write_text(good)
        dev.wait("billing is ready")
        published = {f"e-{number}" for number in range(edits * EVENTS)}
        wait_until(lambda: published <= handled(dev), limit=LIMIT + edits, what="all events to be handled")
    assert not dev.said("killed")
    assert dev.stop().exit_code == 0


def publish(dev: Dev, round_: int) -> None:
    """Publishes the events of one round."""
    numbers = range(round_ * EVENTS, (round_ + 1) * EVENTS)
    dev.publish_raw([(SUBJECT, json.dumps(event(number)).encode()) for number in numbers])


def handled(dev: Dev) -> set[str]:
    """The ids of the events that were handled."""
    return {record["event_id"] for record in dev.said("event handled", service="billing")}


@contextmanager
def at_most_one(folder: Path) -> Iterator[None]:
    """Fails if two processes run in a service's folder at once."""
    over, most = threading.Event(), [0]

    def look() -> None:
        while not over.wait(0.02):
            most.append(len(processes(folder)))

    looking = threading.Thread(target=look)
    looking.start()
    yield
    over.set()
    looking.join()
    assert max(most) == 1
