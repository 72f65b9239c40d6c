"""Finds the tasks: every `*_task.py` in this folder."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from src.infrastructure.worker import Worker


def register_tasks(worker: Worker) -> None:
    """Gives the worker every task in this folder; without one, nothing of what tasks need is loaded.

    Raises:
        ConfigurationError: a task does not fit.
    """
    modules = sorted(module.name for module in iter_modules(__path__) if module.name.endswith("_task"))
    if not modules:
        return
    from src.toolkit.tasks.running import register

    for module in modules:
        import_module(f"{__name__}.{module}")
    register(worker)
