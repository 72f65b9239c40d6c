"""Consul's client, py-consul, without the half that no worker uses.

`import consul` loads its synchronous client too, and with it requests, which takes five megabytes. A worker speaks to
Consul by the asynchronous one alone, so requests is left to whoever asks something of it.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

__all__ = ["Check", "Consul", "ConsulException"]

REQUESTS = "requests"


class _Later(ModuleType):
    """Stands in for requests, and loads it when something is asked of it."""

    Response = object  # an annotation of py-consul's, no more

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # asked by the import system
            raise AttributeError(name)
        _forget(self)
        return getattr(importlib.import_module(REQUESTS), name)


@contextmanager
def _requests_later() -> Iterator[None]:
    if REQUESTS in sys.modules:
        yield
        return
    stand_in = sys.modules[REQUESTS] = _Later(REQUESTS)
    try:
        yield
    finally:
        _forget(stand_in)


def _forget(stand_in: _Later) -> None:
    """Whoever imports requests from now on gets the real one."""
    if sys.modules.get(REQUESTS) is stand_in:
        del sys.modules[REQUESTS]


with _requests_later():
    from consul import Check, ConsulException
    from consul.aio import Consul
