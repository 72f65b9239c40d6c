"""Finds the tasks: every `*_task.py` in this folder."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from src.infrastructure.worker import Worker
from src.tasks.runner import subscribe
from src.tasks.task import registered


def register(worker: Worker) -> None:
    """Give the worker every task in this folder.

    Raises:
        ConfigurationError: an option of a task is invalid.
    """
    for module in sorted(module.name for module in iter_modules(__path__) if module.name.endswith("_task")):
        import_module(f"{__name__}.{module}")
    for task in registered():
        subscribe(worker, task)
