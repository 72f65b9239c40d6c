"""Adds the tasks to the worker, which has imported every `*_task.py` in this folder."""

from __future__ import annotations

from src.infrastructure.worker import Worker
from src.tasks.execution import TaskDeadLetters
from src.tasks.runner import TaskRunner
from src.tasks.task import registered


def register(worker: Worker) -> None:
    """Add every task to the worker.

    Raises:
        ConfigurationError: an option of a task is invalid.
    """
    for task in registered():
        worker.subscribe(task.subscription, TaskRunner, letters=TaskDeadLetters)
