"""Finds the actions: every `*_action.py` in this folder."""

from __future__ import annotations

from functools import partial
from importlib import import_module
from pkgutil import iter_modules

from src.infrastructure.worker import Worker
from src.actions.action import registered
from src.actions.server import ActionServer


def register(worker: Worker) -> None:
    """Gives the worker every action in this folder.

    Raises:
        ConfigurationError: an action does not fit.
    """
    for module in sorted(module.name for module in iter_modules(__path__) if module.name.endswith("_action")):
        import_module(f"{__name__}.{module}")
    worker.include(partial(ActionServer, registered()))
