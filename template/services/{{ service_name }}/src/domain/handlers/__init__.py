"""Gives the worker the handlers: it imports every `*_handler.py` in this folder first."""

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
