"""Adds the actions to the worker, which has imported every `*_action.py` in this folder."""

from __future__ import annotations

from src.actions.action import registered
from src.actions.server import ActionServer
from src.infrastructure.worker import Worker


def register(worker: Worker) -> None:
    """Add every action to the worker.

    Raises:
        ConfigurationError: an action is invalid.
    """
    worker.components.append(ActionServer(registered(), worker.nats))
