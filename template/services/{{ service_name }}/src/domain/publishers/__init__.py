"""Finds the publishers: every `*_publisher.py` in this folder."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from src.infrastructure.worker import Worker
from src.pubsub.publishers.publisher import registered
from src.pubsub.publishers.runner import PublisherRunner


def register(worker: Worker) -> None:
    """Add every publisher in this folder to the worker.

    Raises:
        ConfigurationError: a publisher is invalid.
    """
    for module in sorted(module.name for module in iter_modules(__path__) if module.name.endswith("_publisher")):
        import_module(f"{__name__}.{module}")
    for publisher in registered():
        worker.include(PublisherRunner(publisher, worker.nats, worker.provisioning))
