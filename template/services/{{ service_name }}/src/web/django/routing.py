"""What a route's file says: the `route` decorator and what it registers."""

from __future__ import annotations

import inspect
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from src.infrastructure.errors import ConfigurationError

View = Callable[..., Awaitable[Any]]
ViewT = TypeVar("ViewT", bound=View)

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
SEGMENT = re.compile(r"[A-Za-z0-9._~-]+|\{[A-Za-z_][A-Za-z0-9_]*\}")


@dataclass(frozen=True, slots=True)
class Route:
    """One view, and what it answers.

    Attributes:
        method: of the requests.
        path: such as `/orders/{id}`; what stands for a parameter is the argument of its name.
        view: the coroutine function `(request, **parameters)`.
        status: of the response, where the view returns no response of its own.
    """

    method: str
    path: str
    view: View
    status: int = 200

    def __post_init__(self) -> None:
        where = self.where
        segments = self.path.split("/")[1:]
        if self.method not in METHODS:
            raise ConfigurationError(f"{where}: the method is {self.method!r}; it takes one of {', '.join(METHODS)}")
        if not self.path.startswith("/") or not (self.path == "/" or all(map(SEGMENT.fullmatch, segments))):
            raise ConfigurationError(
                f"{where}: the path is {self.path!r}; it starts with / and has segments of letters, digits, `-._~` or "
                f"a {{parameter}}, without a / at the end"
            )
        if not inspect.iscoroutinefunction(self.view):
            raise ConfigurationError(f"{where} is no coroutine function; write it as `async def`")

    @property
    def where(self) -> str:
        """Where the view is, for messages."""
        return f"{self.view.__module__}.{self.view.__qualname__}"

    @property
    def parameters(self) -> list[str]:
        """The names of the path's parameters, in order."""
        return re.findall(r"\{(\w+)\}", self.path)

    @property
    def pattern(self) -> str:
        """The path as Django's `path()` takes it. It is the same for paths that differ in the parameters' names."""
        numbers = iter(range(len(self.parameters)))
        return re.sub(r"\{\w+\}", lambda _: f"<str:parameter{next(numbers)}>", self.path.removeprefix("/"))


_registry: list[Route] = []


def route(method: str, path: str, *, status: int = 200) -> Callable[[ViewT], ViewT]:
    """Registers an asynchronous view for a method and a path and returns it as it is.

    The view takes the request, and the path's parameters as text. It returns a model, what JSON can hold, or a response
    of Django's.

    Args:
        method: such as `POST`.
        path: such as `/orders/{id}`.
        status: of the response, where the view returns no response of its own.

    Raises:
        ConfigurationError: the method, the path or the view does not fit.
    """

    def register(view: ViewT) -> ViewT:
        _registry.append(Route(method, path, view, status))
        return view

    return register


def registered() -> list[Route]:
    """Every route of the files imported so far, in the order of their registration."""
    return list(_registry)
