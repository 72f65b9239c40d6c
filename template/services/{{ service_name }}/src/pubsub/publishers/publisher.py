"""The `publishes` decorator, and the publishers that it registers."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Annotated, Any, NamedTuple, TypeVar

from pydantic import Field

from src.infrastructure.decoding import annotations_of, place_of
from src.infrastructure.errors import ConfigurationError
from src.infrastructure.subscription import Name, check_options, takes_options_of

Make = Callable[..., Awaitable[Any]]
MakeT = TypeVar("MakeT", bound=Make)

CONCRETE = re.compile(r"[^\s.*>]+(\.[^\s.*>]+)*")  # a subject to publish on


class Tick(NamedTuple):
    """One call of a publisher.

    Attributes:
        sequence: the message's number, from 1 at the start of the process. If a message is not published, the next one
            gets its number, so there are no gaps.
        subject: the subject that the message is published on.
    """

    sequence: int
    subject: str


@dataclass(frozen=True, slots=True)
class Publisher:
    """One coroutine that creates a message on an interval.

    Attributes:
        name: from its function's name: `make_events_test` is `events_test`.
        subject: the subject to publish on.
        function: the coroutine `(tick)` or `()`, with `resources` if it needs them; returns a message, or None for no
            message this time.
        every: seconds from one message to the next; by default `PUBLISH_INTERVAL`.
        core: whether it publishes with core NATS, to all current subscribers; else to a stream, which confirms.
        stream: name of the stream; by default it is found by the subject.
        takes_tick: whether the function has a parameter for the `Tick`.
    """

    name: str
    subject: str
    function: Make
    every: Annotated[float, Field(gt=0, le=86_400)] | None = None
    core: bool = False
    stream: Name | None = None
    takes_tick: bool = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        form = "use the parameters (tick) or none, and `resources` last if needed"
        parameters, _ = annotations_of(self.function, range(2), form)
        object.__setattr__(self, "takes_tick", bool(parameters))
        holds = {
            f"subject is {self.subject!r}; use tokens joined by dots, no wildcards": CONCRETE.fullmatch(self.subject),
            "core and stream are both set; core NATS has no streams": self.stream is None or not self.core,
        }
        if problems := [problem for problem, is_right in holds.items() if not is_right]:
            raise ConfigurationError(f"{place_of(self.function)}: " + "; ".join(problems))


_registry: list[Publisher] = []


@takes_options_of(Publisher)
def publishes(subject: str, **options: Any) -> Callable[[MakeT], MakeT]:
    """Register a coroutine as the publisher on a subject, and return it unchanged.

    Args:
        subject: the subject to publish on.
        options: see the attributes of `Publisher`.

    Raises:
        ConfigurationError: an option or the function's signature is invalid.
    """

    def register(function: MakeT) -> MakeT:
        check_options(function, options, Publisher)
        name = function.__name__.removeprefix("make_")
        _registry.append(Publisher(name=name, subject=subject, function=function, **options))
        return function

    return register


def registered() -> list[Publisher]:
    """Return every publisher of the files imported so far.

    Raises:
        ConfigurationError: two have the same name, and so the same metrics.
    """
    names = [publisher.name for publisher in _registry]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise ConfigurationError(f"two publishers are named {twice}: give their functions different names")
    return list(_registry)
