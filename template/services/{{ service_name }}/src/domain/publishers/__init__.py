"""Adds the publishers to the worker, which has imported every `*_publisher.py` in this folder."""

from __future__ import annotations

from src.infrastructure.worker import Worker
from src.pubsub.publishers.publisher import registered
from src.pubsub.publishers.runner import PublisherRunner


def register(worker: Worker) -> None:
    """Add every publisher to the worker.

    Raises:
        ConfigurationError: a publisher is invalid.
    """
    worker.components.extend(PublisherRunner(publisher, worker.nats) for publisher in registered())
