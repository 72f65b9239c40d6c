"""What a subscriber file says: the `listens` decorator and what it registers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import TypedDict, TypeVar, Unpack

from src.infrastructure.errors import ConfigurationError
from src.infrastructure.handling.decoding import Decoder, Signature, decoder_of, problem_of, signature_of
from src.infrastructure.subscription import NAME, SUBJECT
from src.infrastructure.wiring.declaring import place_of, refuse_unknown
from src.requests.request import Context

__all__ = ["Context", "CoreSubscriber", "listens", "overlap", "registered"]

Hearer = Callable[..., Awaitable[object]]
HearerT = TypeVar("HearerT", bound=Hearer)

PREFIX = "hear_"


@dataclass(frozen=True, slots=True)
class CoreSubscriber:
    """One coroutine that hears what is published on a subject while it listens; nothing is kept for it.

    Attributes:
        name: of the subscriber, from the function's: `hear_events_test` is `events_test`.
        subject: that it listens to; `*` and a last `>` are wildcards.
        function: the coroutine `(event)` or `(event, context)`; the annotation of `event` decides its form.
        queue: the group of subscribers of which one hears each message, `""` for none; `QUEUE_GROUP` without.
        decoder: reads the payload in place of JSON, text and bytes; what it raises at is read as those, and logged.
        strict: whether what the decoder raises at is invalid instead.
    """

    name: str
    subject: str
    function: Hearer
    queue: str | None = None
    decoder: Decoder | None = None
    strict: bool = False
    signature: Signature = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        where = place_of(self.function)
        if not SUBJECT.fullmatch(self.subject):
            raise ConfigurationError(
                f"{where}: subject is {self.subject!r}; it takes tokens joined by dots, `*` and a last `>`"
            )
        if self.queue and not NAME.fullmatch(self.queue):
            raise ConfigurationError(f"{where}: queue is {self.queue!r}; it takes letters, digits, _ and -")
        if problem := problem_of(self.decoder):
            raise ConfigurationError(f"{where}: {problem}")
        signature = signature_of(self.function, self.decoder, self.strict)
        if signature.takes_list:
            raise ConfigurationError(f"{where} takes a list; a subscriber hears one message after the other")
        object.__setattr__(self, "signature", signature)


class Options(TypedDict, total=False):
    """What `listens` takes beside the subject; each is an attribute of `CoreSubscriber`, with its default there."""

    queue: str
    decoder: Decoder
    strict: bool


_registry: list[CoreSubscriber] = []


def listens(subject: str, **options: Unpack[Options]) -> Callable[[HearerT], HearerT]:
    """Registers a coroutine as the subscriber of a subject, by core NATS, and returns it as it is.

    Args:
        subject: to listen to; `*` and a last `>` are wildcards.
        options: see `Options`.

    Raises:
        ConfigurationError: an option or the function's signature does not fit.
    """

    def register(function: HearerT) -> HearerT:
        refuse_unknown(function, options, Options)
        name = function.__name__.removeprefix(PREFIX)
        _registry.append(CoreSubscriber(name=name, subject=subject, function=function, **options))
        return function

    return register


def registered() -> list[CoreSubscriber]:
    """Every subscriber of the files imported so far, in the order of their registration.

    Raises:
        ConfigurationError: one is to be strict, and has no decoder.
    """
    found = []
    for one in _registry:
        decoder, strict = decoder_of(one.name, one.decoder, one.strict)
        found.append(replace(one, decoder=decoder, strict=strict))
    return found


def overlap(one: str, other: str) -> bool:
    """Whether a message can be on both subjects."""
    ours, theirs = one.split("."), other.split(".")
    for a, b in zip(ours, theirs, strict=False):
        if ">" in (a, b):
            return True
        if a != b and "*" not in (a, b):
            return False
    return len(ours) == len(theirs)
