"""The subscribers as a whole: all are found, and none gets in another's way."""

from __future__ import annotations

from pathlib import Path

from src.config import settings
from src.domain import subscribers
from src.domain.subscribers import register
from src.infrastructure.worker import Worker
from src.pubsub.listening import registered


def test_every_subscriber_file_is_found() -> None:
    worker = Worker(settings)

    register(worker)

    files = {path.stem for path in Path(subscribers.__path__[0]).glob("*_subscriber.py")}
    found = {one.function.__module__.rpartition(".")[2] for one in registered()}
    assert found == files
    assert [component.kind for component in worker.components] == ["subscribers"]
