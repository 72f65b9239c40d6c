"""Finds the routes, every `*_route.py` in `src/web/routes`, and checks that no two answer the same requests."""

from __future__ import annotations

import re
from collections.abc import Iterable
from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType

from src.infrastructure.errors import ConfigurationError
from src.web import routes


def route_modules() -> list[ModuleType]:
    """Return the modules with routes, in the order of their names."""
    names = sorted(module.name for module in iter_modules(routes.__path__) if module.name.endswith("_route"))
    return [import_module(f"{routes.__name__}.{name}") for name in names]


def specificity(path: str) -> tuple[bool, ...]:
    """Return the key to sort paths by, so that `/orders/latest` comes before `/orders/{id}`."""
    return tuple("{" in segment for segment in path.split("/"))


def refuse_twins(found: Iterable[tuple[str, str, str]]) -> None:
    """Check that no two routes have the same method and path, whatever their parameters' names.

    Args:
        found: method, path and function of every route.

    Raises:
        ConfigurationError: two routes do.
    """
    seen: dict[tuple[str, str], str] = {}
    for method, path, function in found:
        other = seen.setdefault((method, re.sub(r"\{.*?\}", "{}", path)), function)
        if other != function:
            raise ConfigurationError(f"{other} and {function} both answer {method} {path}; give one another path")
