"""Adds the handlers to the worker, which has imported every `*_handler.py` in this folder."""

from __future__ import annotations

from src.infrastructure.subscription import registered
from src.infrastructure.worker import Worker


def register(worker: Worker) -> None:
    """Add the subscription of every handler to the worker.

    Raises:
        ConfigurationError: a subscription is invalid.
    """
    for subscription in registered():
        worker.subscribe(subscription)
