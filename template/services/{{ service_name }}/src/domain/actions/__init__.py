"""Finds the actions: every `*_action.py` in this folder."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from src.actions.action import registered
from src.actions.micro_service import MicroService
from src.actions.runner import ActionRunner
from src.infrastructure.worker import Worker


def register(worker: Worker) -> None:
    """Add every action in this folder to the worker.

    Raises:
        ConfigurationError: an action is invalid.
    """
    for module in sorted(module.name for module in iter_modules(__path__) if module.name.endswith("_action")):
        import_module(f"{__name__}.{module}")
    runners = [ActionRunner(action, worker.nats) for action in registered()]
    for runner in runners:
        worker.include(runner)
    worker.include(MicroService(worker.nats, runners))
