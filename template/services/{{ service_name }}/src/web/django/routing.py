"""The `route` decorator, and the routes that it registers."""

from __future__ import annotations

import inspect
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from src.infrastructure.decoding import place_of
from src.infrastructure.errors import ConfigurationError

View = Callable[..., Awaitable[Any]]
ViewT = TypeVar("ViewT", bound=View)

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
PATH = re.compile(r"/|(/([A-Za-z0-9._~-]+|\{[A-Za-z_][A-Za-z0-9_]*\}))+")


@dataclass(frozen=True, slots=True)
class Route:
    """One view, and the requests that it answers.

    Attributes:
        method: the requests' method.
        path: such as `/orders/{id}`; each parameter is passed as the argument of its name.
        view: the coroutine function `(request, **parameters)`.
        status: the response's status, unless the view returns a response object.
    """

    method: str
    path: str
    view: View
    status: int = 200

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise ConfigurationError(f"{self.where}: the method is {self.method!r}; use one of {', '.join(METHODS)}")
        if not PATH.fullmatch(self.path):
            raise ConfigurationError(
                f"{self.where}: the path is {self.path!r}; start with /, use segments of letters, digits, `-._~` "
                f"or a {{parameter}}, and end without a /"
            )
        if not inspect.iscoroutinefunction(self.view):
            raise ConfigurationError(f"{self.where} is not a coroutine function; write it as `async def`")

    @property
    def where(self) -> str:
        """Return the place of the view, for messages."""
        return place_of(self.view)

    @property
    def parameters(self) -> list[str]:
        """Return the names of the path's parameters, in order."""
        return re.findall(r"\{(\w+)\}", self.path)

    @property
    def pattern(self) -> str:
        """Return the path for Django's `path()`; the same for paths that differ only in their parameters' names."""
        numbers = iter(range(len(self.parameters)))
        return re.sub(r"\{\w+\}", lambda _: f"<str:parameter{next(numbers)}>", self.path.removeprefix("/"))


_registry: list[Route] = []


def route(method: str, path: str, *, status: int = 200) -> Callable[[ViewT], ViewT]:
    """Register an asynchronous view for a method and a path, and return it unchanged.

    The view receives the request, and the path's parameters as text. It returns a model, JSON data, or a Django
    response.

    Args:
        method: such as `POST`.
        path: such as `/orders/{id}`.
        status: the response's status, unless the view returns a response object.

    Raises:
        ConfigurationError: the method, the path or the view is invalid.
    """

    def register(view: ViewT) -> ViewT:
        _registry.append(Route(method, path, view, status))
        return view

    return register


def registered() -> list[Route]:
    """Return every route of the files imported so far."""
    return list(_registry)
