"""Finds the publishers: every `*_publisher.py` in this folder."""

from __future__ import annotations

from functools import partial
from importlib import import_module
from pkgutil import iter_modules

from src.infrastructure.worker import Worker
from src.pubsub.periodic import registered
from src.pubsub.publishers import PeriodicPublishers


def register(worker: Worker) -> None:
    """Gives the worker every publisher in this folder.

    Raises:
        ConfigurationError: a publisher does not fit.
    """
    for module in sorted(module.name for module in iter_modules(__path__) if module.name.endswith("_publisher")):
        import_module(f"{__name__}.{module}")
    worker.include(partial(PeriodicPublishers, registered()))
