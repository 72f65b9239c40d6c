"""What the decorators share that declare a function: `subscriber`, `action`, `task`, `publishes` and `listens`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from src.infrastructure.errors import ConfigurationError


def place_of(function: Callable[..., Any]) -> str:
    """Where a function is written, for messages: its module and its name in it."""
    return f"{function.__module__}.{function.__qualname__}"


def refuse_unknown(function: Callable[..., Any], options: Mapping[str, object], known: type) -> None:
    """Makes sure that a decorator was given only options that it has.

    Args:
        function: that it decorates.
        options: what it was given.
        known: the `TypedDict` of those that there are.

    Raises:
        ConfigurationError: there is another.
    """
    if unknown := sorted(options.keys() - known.__annotations__.keys()):
        raise ConfigurationError(
            f"{place_of(function)}: no option {', '.join(unknown)}; there are {', '.join(known.__annotations__)}"
        )
