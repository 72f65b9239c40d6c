"""Finds the handlers: every `*_handler.py` in this folder."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from src.infrastructure.errors import ConfigurationError
from src.infrastructure.subscription import registered
from src.infrastructure.worker import Worker


def register_handlers(worker: Worker) -> None:
    """Gives the worker the subscription of every handler in this folder.

    Raises:
        ConfigurationError: a subscription does not fit, or there is none.
    """
    for module in sorted(module.name for module in iter_modules(__path__) if module.name.endswith("_handler")):
        import_module(f"{__name__}.{module}")
    subscriptions = registered()
    if not subscriptions:
        raise ConfigurationError("no handler found: src/domain/handlers/ holds no *_handler.py with a @subscriber")
    for subscription in subscriptions:
        worker.subscribe(subscription)
