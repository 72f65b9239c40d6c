"""Finds the routes: every `*_route.py` in `src/web/routes`."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType

from src.web import routes


def route_modules() -> list[ModuleType]:
    """The modules with routes, in the order of their names."""
    names = sorted(module.name for module in iter_modules(routes.__path__) if module.name.endswith("_route"))
    return [import_module(f"{routes.__name__}.{name}") for name in names]


def specificity(path: str) -> tuple[bool, ...]:
    """What to sort paths by, so that `/orders/latest` is asked before `/orders/{id}`."""
    return tuple("{" in segment for segment in path.split("/"))
