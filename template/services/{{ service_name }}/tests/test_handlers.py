"""The handlers as a whole: all are found, and none gets in another's way."""

from __future__ import annotations

from pathlib import Path

from src.config import settings
from src.domain import handlers
from src.domain.handlers import register_handlers
from src.infrastructure.worker import Worker


def test_every_handler_file_is_found() -> None:
    worker = Worker(settings)

    register_handlers(worker)

    files = {path.stem for path in Path(handlers.__path__[0]).glob("*_handler.py")}
    found = {runner.subscription.function.__module__.rpartition(".")[2] for runner in worker.runners}
    assert found == files


def test_every_handler_has_a_durable_of_its_own() -> None:
    worker = Worker(settings)

    register_handlers(worker)

    durables = [runner.subscription.durable_for(settings.SERVICE_NAME) for runner in worker.runners]
    assert len(set(durables)) == len(durables)
