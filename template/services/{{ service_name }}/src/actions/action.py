"""What an action file says: the `action` decorator and what it registers."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, TypedDict, TypeVar, Unpack, get_type_hints

from src.config import settings
from src.infrastructure.errors import ActionError, ConfigurationError
from src.infrastructure.subscription import NAME, SUBJECT
from src.infrastructure.wiring.declaring import place_of, refuse_unknown
from src.requests.request import Context

__all__ = ["Action", "ActionError", "Context", "action", "action_subject", "registered"]

ActionFunction = Callable[..., Awaitable[Any]]
ActionT = TypeVar("ActionT", bound=ActionFunction)


def action_subject(service: str, action: str, version: int = 1, *, prefix: str | None = None) -> str:
    """The subject that an action answers on: `v1.greeter.greet`.

    Args:
        service: name of the service.
        action: name of the action.
        version: of the action.
        prefix: tokens in front, joined by dots; without it `ACTION_PREFIX`.
    """
    prefix = settings.ACTION_PREFIX if prefix is None else prefix
    return f"{prefix}.v{version}.{service}.{action}".removeprefix(".")


@dataclass(frozen=True, slots=True)
class Action:
    """One coroutine that answers requests.

    Attributes:
        name: of the action, one token of its subject.
        function: the coroutine `(request, context)`; either may be left out.
        version: of the action; two may be answered at once.
        subject: the subject it answers on; without one `v<version>.<service>.<name>`.
        queue: whether one instance of the service answers each request; else all do.
        concurrency: requests that are answered at once.
        max_waiting: requests that wait for that beyond them. What comes then is refused at once, with the code 503: its
            caller may try again, and reach another instance.
        timeout: seconds that a request has from its arrival until its answer; beyond them the action is cancelled and
            the answer is the code 504.
        description: for people and `nats micro info`; without one the first line of the function's docstring.
        metadata: further data for `nats micro info`.
        request_type: the annotation of `request`; None where the function takes none.
        response_type: the annotation of what it returns.
        takes_context: whether it takes the context.
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
        request_type, response_type, takes_context = _signature(self.function, self.where)
        object.__setattr__(self, "request_type", request_type)
        object.__setattr__(self, "response_type", response_type)
        object.__setattr__(self, "takes_context", takes_context)
        if not self.description:
            object.__setattr__(self, "description", (inspect.getdoc(self.function) or "").partition("\n")[0])

    @property
    def where(self) -> str:
        """Where the function is, for messages."""
        return place_of(self.function)

    def subject_for(self, service: str, prefix: str) -> str:
        """The subject that it answers on in `service`."""
        return self.subject or action_subject(service, self.name, self.version, prefix=prefix)

    def _problems(self) -> list[str]:
        found = []
        if not NAME.fullmatch(self.name):
            found.append(f"the name is {self.name!r}; it takes letters, digits, _ and -")
        if self.subject is not None and not SUBJECT.fullmatch(self.subject):
            found.append(f"subject is {self.subject!r}; it takes tokens joined by dots, `*` and a last `>`")
        for name, number, least in (
            ("version", self.version, 0),
            ("concurrency", self.concurrency, 1),
            ("max_waiting", self.max_waiting, 0),
        ):
            if number < least:
                found.append(f"{name} is {number}; it takes {least} or more")
        if not self.timeout > 0:
            found.append(f"timeout is {self.timeout}; it takes seconds, more than 0")
        return found


class Options(TypedDict, total=False):
    """What `action` takes beside the name; each is an attribute of `Action`, with its default there."""

    version: int
    subject: str | None
    queue: bool
    concurrency: int
    max_waiting: int
    timeout: float
    description: str
    metadata: dict[str, str]


_registry: list[Action] = []


def action(name: str, **options: Unpack[Options]) -> Callable[[ActionT], ActionT]:
    """Registers a coroutine as the action of this name and returns it as it is.

    Args:
        name: of the action, one token of its subject.
        options: see `Options`.

    Raises:
        ConfigurationError: an option or the function's signature does not fit.
    """

    def register(function: ActionT) -> ActionT:
        refuse_unknown(function, options, Options)
        _registry.append(Action(name=name, function=function, **options))
        return function

    return register


def registered() -> list[Action]:
    """Every action of the files imported so far, in the order of their registration."""
    return list(_registry)


def _signature(function: ActionFunction, where: str) -> tuple[Any, Any, bool]:
    """What the function takes as its request (None for nothing), what it returns, and whether it takes the context.

    A single parameter is the context where it is annotated so, else the request.

    Raises:
        ConfigurationError: it is no function that can be an action.
    """
    if not inspect.iscoroutinefunction(function):
        raise ConfigurationError(f"{where} is no coroutine function; write it as `async def`")
    parameters = list(inspect.signature(function).parameters.values())
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    required_elsewhere = [p for p in parameters if p.kind is p.KEYWORD_ONLY and p.default is p.empty]
    if len(positional) > 2 or required_elsewhere:
        raise ConfigurationError(
            f"{where} takes {len(parameters)} parameters; an action takes (request), (request, context), (context) "
            f"or none"
        )
    try:
        hints = get_type_hints(function)
    except NameError as error:
        raise ConfigurationError(
            f"{where}: {error}; import what its annotations name outside of TYPE_CHECKING"
        ) from error
    types = [hints.get(parameter.name, Any) for parameter in positional]
    takes_context = len(types) == 2 or types == [Context]
    request_type = None if types in ([], [Context]) else types[0]
    return request_type, hints.get("return", Any), takes_context
