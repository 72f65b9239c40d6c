"""Tests that every task is found, and that no two share a durable."""

from __future__ import annotations

from pathlib import Path

from src.config import settings
from src.domain import tasks
from src.domain.tasks import register
from src.infrastructure.worker import Worker


def test_every_task_file_is_found_and_none_has_the_durable_of_another() -> None:
    worker = Worker(settings)

    register(worker)

    files = {path.stem for path in Path(tasks.__path__[0]).glob("*_task.py")}
    found = {runner.subscription.function.__module__.rpartition(".")[2] for runner in worker.runners}
    assert found == files
