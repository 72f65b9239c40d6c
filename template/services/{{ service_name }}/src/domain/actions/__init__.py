"""Finds the actions: every `*_action.py` in this folder."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from src.actions.action import registered
from src.actions.server import ActionServer
from src.infrastructure.worker import Worker


def register(worker: Worker) -> None:
    """Add every action in this folder to the worker.

    Raises:
        ConfigurationError: an action is invalid.
    """
    for module in sorted(module.name for module in iter_modules(__path__) if module.name.endswith("_action")):
        import_module(f"{__name__}.{module}")
    worker.include(ActionServer(registered(), worker.nats))
