"""Tests that the worker finds all subscribers."""

from __future__ import annotations

from pathlib import Path

from src.config import settings
from src.domain import subscribers
from src.infrastructure.worker import Worker
from src.pubsub.subscribers.subscriber import registered


def test_every_subscriber_file_is_found_and_none_takes_the_messages_of_another() -> None:
    worker = Worker(settings)

    worker.register()

    files = {path.stem for path in Path(subscribers.__path__[0]).glob("*_subscriber.py")}
    assert {one.function.__module__.rpartition(".")[2] for one in registered()} == files
    assert "subscribers" in {component.kind for component in worker.components}
