"""The `action` decorator, and the actions that it registers."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Annotated, Any, TypedDict, TypeVar, Unpack

from pydantic import Field

from src.actions.settings import settings
from src.infrastructure.decoding import annotations_of, place_of
from src.infrastructure.errors import ConfigurationError
from src.infrastructure.subscription import NAME, SUBJECT, Count, Seconds, check_options
from src.requests.errors import ActionError
from src.requests.request import Context

__all__ = ["Action", "ActionError", "Context", "action", "action_subject", "registered"]

ActionFunction = Callable[..., Awaitable[Any]]
ActionT = TypeVar("ActionT", bound=ActionFunction)
NotNegative = Annotated[int, Field(ge=0)]


def action_subject(service: str, action: str, version: int = 1, *, prefix: str | None = None) -> str:
    """Return the subject that an action answers on, such as `v1.greeter.greet`.

    Args:
        service: name of the service.
        action: name of the action.
        version: version of the action.
        prefix: tokens in front, joined by dots; by default `ACTION_PREFIX`.
    """
    prefix = settings.ACTION_PREFIX if prefix is None else prefix
    return f"{prefix}.v{version}.{service}.{action}".removeprefix(".")


@dataclass(frozen=True, slots=True)
class Action:
    """One coroutine that answers requests.

    Attributes:
        name: of the action, one token of its subject.
        function: the coroutine `(request, context)`, or without either; `resources` may be added.
        version: its version; you can answer two versions at once.
        subject: the subject that it answers on; by default `v<version>.<service>.<name>`.
        queue: whether one instance of the service answers each request; else all do.
        concurrency: the maximum number of requests answered at once.
        max_waiting: the maximum number of requests that wait beyond those. A further one is rejected at once with the
            code 503, so that its caller can retry and reach another instance.
        timeout: seconds from a request's arrival to its answer, after which the action is cancelled and the answer is
            the code 504.
        description: for people and `nats micro info`; by default the first line of the function's docstring.
        metadata: further data for `nats micro info`.
        request_type: the annotation of `request`; None if the function has no such parameter.
        response_type: the annotation of its result.
        takes_context: whether the function has a parameter `context`.
    """

    name: str
    function: ActionFunction
    version: int = 1
    subject: str | None = None
    queue: bool = True
    concurrency: int = 100
    max_waiting: int = 10_000
    timeout: float = 5.0
    description: str = ""
    metadata: dict[str, str] = field(default_factory=dict)
    request_type: Any = field(init=False, repr=False, compare=False)
    response_type: Any = field(init=False, repr=False, compare=False)
    takes_context: bool = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if problems := self._problems():
            raise ConfigurationError(f"{self.where}: " + "; ".join(problems))
        form = "use the parameters (request), (request, context), (context) or none, and `resources` last if needed"
        types, response_type = annotations_of(self.function, range(3), form)
        found = {
            "request_type": None if types in ([], [Context]) else types[0],
            "response_type": response_type,
            "takes_context": len(types) == 2 or types == [Context],  # a single parameter may be either
            "description": self.description or (inspect.getdoc(self.function) or "").partition("\n")[0],
        }
        for name, value in found.items():
            object.__setattr__(self, name, value)

    @property
    def where(self) -> str:
        """Return the place of the function, for messages."""
        return place_of(self.function)

    def _problems(self) -> list[str]:
        found = []
        if not NAME.fullmatch(self.name):
            found.append(f"the name is {self.name!r}; use letters, digits, _ and -")
        if self.subject is not None and not SUBJECT.fullmatch(self.subject):
            found.append(f"subject is {self.subject!r}; use tokens joined by dots, `*` and a final `>`")
        return found


class Options(TypedDict, total=False):
    """The options of `action`; see the attributes of `Action`."""

    version: NotNegative
    subject: str | None
    queue: bool
    concurrency: Count
    max_waiting: NotNegative
    timeout: Seconds
    description: str
    metadata: dict[str, str]


_registry: list[Action] = []


def action(name: str, **options: Unpack[Options]) -> Callable[[ActionT], ActionT]:
    """Register a coroutine as the action of this name, and return it unchanged.

    Args:
        name: of the action, one token of its subject.
        options: see `Options`.

    Raises:
        ConfigurationError: an option or the function's signature is invalid.
    """

    def register(function: ActionT) -> ActionT:
        check_options(function, options, Options)
        _registry.append(Action(name=name, function=function, **options))
        return function

    return register


def registered() -> list[Action]:
    """Return every action of the files imported so far."""
    return list(_registry)
