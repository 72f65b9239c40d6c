"""Adds the subscribers to the worker, which has imported every `*_subscriber.py` in this folder."""

from __future__ import annotations

from src.infrastructure.worker import Worker
from src.pubsub.subscribers.runner import SubscriberRunner, refuse_clashes
from src.pubsub.subscribers.subscriber import registered


def register(worker: Worker) -> None:
    """Add every subscriber to the worker.

    Raises:
        ConfigurationError: a subscriber is invalid.
    """
    runners = [SubscriberRunner(subscriber, worker.nats) for subscriber in registered()]
    refuse_clashes(runners)
    worker.components.extend(runners)
