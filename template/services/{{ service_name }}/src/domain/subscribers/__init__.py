"""Finds the subscribers: every `*_subscriber.py` in this folder."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from src.infrastructure.worker import Worker
from src.pubsub.subscribers.runner import SubscriberRunner, refuse_clashes
from src.pubsub.subscribers.subscriber import registered


def register(worker: Worker) -> None:
    """Add every subscriber in this folder to the worker.

    Raises:
        ConfigurationError: a subscriber is invalid.
    """
    for module in sorted(module.name for module in iter_modules(__path__) if module.name.endswith("_subscriber")):
        import_module(f"{__name__}.{module}")
    runners = [SubscriberRunner(subscriber, worker.nats) for subscriber in registered()]
    refuse_clashes(runners)
    for runner in runners:
        worker.include(runner)
