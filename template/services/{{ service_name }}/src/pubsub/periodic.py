"""What a publisher file says: the `publishes` decorator and what it registers."""

from __future__ import annotations

import inspect
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, TypedDict, TypeVar, Unpack

from src.infrastructure.errors import ConfigurationError
from src.infrastructure.subscription import NAME
from src.infrastructure.wiring.declaring import place_of, refuse_unknown

__all__ = ["PeriodicPublisher", "Tick", "publishes", "registered"]

Maker = Callable[..., Awaitable[Any]]
MakerT = TypeVar("MakerT", bound=Maker)

PREFIX = "make_"
CONCRETE = re.compile(r"[^\s.*>]+(\.[^\s.*>]+)*")  # a subject to publish on
LONGEST = 86_400.0  # seconds


@dataclass(frozen=True, slots=True)
class Tick:
    """A moment at which a publisher is asked for a message.

    Attributes:
        sequence: the message's number, from 1 at the start of the process; what was not published has none, so that
            there are no holes.
        subject: that it is published on.
    """

    sequence: int
    subject: str


@dataclass(frozen=True, slots=True)
class PeriodicPublisher:
    """One coroutine that makes a message again and again.

    Attributes:
        name: of the publisher, from the function's: `make_events_test` is `events_test`.
        subject: that it publishes on.
        function: makes a message of a `Tick`, or of nothing; None where there is nothing to say this time.
        every: seconds from one message to the next; `PUBLISH_INTERVAL` without.
        core: whether it publishes by core NATS, to whoever listens right now; else to a stream, which confirms.
        stream: the stream's name; without one it is found by the subject.
        takes_tick: whether the function takes one.
    """

    name: str
    subject: str
    function: Maker
    every: float | None = None
    core: bool = False
    stream: str | None = None
    takes_tick: bool = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        where = place_of(self.function)
        if problems := self._problems():
            raise ConfigurationError(f"{where}: " + "; ".join(problems))
        if not inspect.iscoroutinefunction(self.function):
            raise ConfigurationError(f"{where} is no coroutine function; write it as `async def`")
        parameters = inspect.signature(self.function).parameters.values()
        needed = [parameter for parameter in parameters if parameter.default is parameter.empty]
        if len(needed) > 1 or any(parameter.kind is parameter.KEYWORD_ONLY for parameter in needed):
            raise ConfigurationError(f"{where} takes {len(needed)} parameters; a publisher takes (tick) or none")
        object.__setattr__(self, "takes_tick", bool(needed))

    def _problems(self) -> list[str]:
        found = []
        if not CONCRETE.fullmatch(self.subject):
            found.append(f"subject is {self.subject!r}; one to publish on takes tokens joined by dots, no wildcards")
        if self.stream is not None and not NAME.fullmatch(self.stream):
            found.append(f"stream is {self.stream!r}; it takes letters, digits, _ and -")
        if self.stream is not None and self.core:
            found.append("core is True and stream is given; core NATS has no streams")
        if self.every is not None and not 0 < self.every <= LONGEST:
            found.append(f"every is {self.every}; it takes seconds, more than 0 and at most {LONGEST:g}")
        return found


class Options(TypedDict, total=False):
    """What `publishes` takes beside the subject; each is an attribute of `PeriodicPublisher`, with a default."""

    every: float
    core: bool
    stream: str


_registry: list[PeriodicPublisher] = []


def publishes(subject: str, **options: Unpack[Options]) -> Callable[[MakerT], MakerT]:
    """Registers a coroutine as the publisher on a subject and returns it as it is.

    Args:
        subject: to publish on.
        options: see `Options`.

    Raises:
        ConfigurationError: an option or the function's signature does not fit.
    """

    def register(function: MakerT) -> MakerT:
        refuse_unknown(function, options, Options)
        name = function.__name__.removeprefix(PREFIX)
        _registry.append(PeriodicPublisher(name=name, subject=subject, function=function, **options))
        return function

    return register


def registered() -> list[PeriodicPublisher]:
    """Every publisher of the files imported so far, in the order of their registration."""
    return list(_registry)
