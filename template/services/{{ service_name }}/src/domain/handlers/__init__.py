"""Finds the handlers: every `*_handler.py` in this folder."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from src.infrastructure.subscription import registered
from src.infrastructure.worker import Worker


def register(worker: Worker) -> None:
    """Add the subscription of every handler in this folder to the worker.

    Raises:
        ConfigurationError: a subscription is invalid.
    """
    for module in sorted(module.name for module in iter_modules(__path__) if module.name.endswith("_handler")):
        import_module(f"{__name__}.{module}")
    for subscription in registered():
        worker.subscribe(subscription)
