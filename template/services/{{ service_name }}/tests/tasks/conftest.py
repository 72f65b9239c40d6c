"""Fixtures for the tests of tasks, and of code that enqueues them."""

from __future__ import annotations

import pytest


@pytest.fixture
def queues(monkeypatch: pytest.MonkeyPatch) -> None:
    """Enqueue without a server: a handler that takes `message` puts its tasks into `published`."""

    async def make_room(_: object, *, later: bool) -> None:
        """Always have room."""

    monkeypatch.setattr("src.tasks.enqueueing.make_room", make_room)
