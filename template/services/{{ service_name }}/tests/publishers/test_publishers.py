"""Tests that the worker finds all publishers."""

from __future__ import annotations

from pathlib import Path

from src.config import settings
from src.domain import publishers
from src.infrastructure.worker import Worker
from src.pubsub.publishers.publisher import registered


def test_every_publisher_file_is_found_and_none_has_the_name_of_another() -> None:
    worker = Worker(settings)

    worker.register()

    files = {path.stem for path in Path(publishers.__path__[0]).glob("*_publisher.py")}
    assert {one.function.__module__.rpartition(".")[2] for one in registered()} == files
    assert "publishers" in {component.kind for component in worker.components}
