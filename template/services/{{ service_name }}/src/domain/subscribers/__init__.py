"""Finds the subscribers: every `*_subscriber.py` in this folder."""

from __future__ import annotations

from functools import partial
from importlib import import_module
from pkgutil import iter_modules

from src.infrastructure.worker import Worker
from src.pubsub.listening import registered
from src.pubsub.subscribers import CoreSubscribers


def register(worker: Worker) -> None:
    """Gives the worker every subscriber in this folder.

    Raises:
        ConfigurationError: a subscriber does not fit.
    """
    for module in sorted(module.name for module in iter_modules(__path__) if module.name.endswith("_subscriber")):
        import_module(f"{__name__}.{module}")
    worker.include(partial(CoreSubscribers, registered()))
