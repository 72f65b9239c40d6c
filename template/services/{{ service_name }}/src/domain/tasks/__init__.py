"""Finds the tasks: every `*_task.py` in this folder."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from src.infrastructure.worker import Worker
from src.tasks import receiving


def register(worker: Worker) -> None:
    """Gives the worker every task in this folder.

    Raises:
        ConfigurationError: a task does not fit.
    """
    for module in sorted(module.name for module in iter_modules(__path__) if module.name.endswith("_task")):
        import_module(f"{__name__}.{module}")
    receiving.register(worker)
