"""Adds the tasks to the worker, which has imported every `*_task.py` in this folder."""

from __future__ import annotations

from src.infrastructure.worker import Worker
from src.tasks.runner import subscribe
from src.tasks.task import registered


def register(worker: Worker) -> None:
    """Add every task to the worker.

    Raises:
        ConfigurationError: an option of a task is invalid.
    """
    for task in registered():
        subscribe(worker, task)
