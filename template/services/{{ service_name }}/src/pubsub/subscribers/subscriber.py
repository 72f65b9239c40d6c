"""The `listens` decorator, and the subscribers that it registers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, TypeVar

from pydantic import Field

from src.infrastructure import decoding
from src.infrastructure.decoding import Decoding, Signature, place_of, signature_of
from src.infrastructure.errors import ConfigurationError
from src.infrastructure.subscription import NAME, SUBJECT, check_options, takes_options_of
from src.requests.request import Context

__all__ = ["Context", "Subscriber", "listens", "overlap", "registered"]

Hear = Callable[..., Awaitable[object]]
HearT = TypeVar("HearT", bound=Hear)


@dataclass(frozen=True)
class Subscriber:
    """One coroutine that receives core NATS messages while it is subscribed; nothing is stored for it.

    Attributes:
        name: from its function's name: `hear_events_test` is `events_test`.
        subject: the subject to subscribe to; `*` and a final `>` are wildcards.
        function: the coroutine `(event)` or `(event, context)`; the annotation of `event` decides its type.
        queue: the queue group; one of its subscribers gets each message; `""` for none; by default `QUEUE_GROUP`.
        decoder: decodes formats other than JSON, text and bytes; see the extra `decoders`.
    """

    name: str
    subject: str
    function: Hear
    queue: Annotated[str, Field(pattern=f"^({NAME.pattern})?$")] | None = None
    decoder: Decoding | None = None

    def __post_init__(self) -> None:
        where = place_of(self.function)
        if not SUBJECT.fullmatch(self.subject):
            raise ConfigurationError(f"{where}: subject is {self.subject!r}; use tokens joined by dots, * or >")

    @cached_property
    def signature(self) -> Signature:
        """Return how the function is called.

        Raises:
            ConfigurationError: the function cannot be a subscriber.
        """
        signature = signature_of(self.function, self.decoder or decoding.subscription_decoding)
        if signature.takes_list:
            raise ConfigurationError(
                f"{place_of(self.function)} has a list parameter; a subscriber receives one message at a time"
            )
        return signature


_registry: list[Subscriber] = []


@takes_options_of(Subscriber)
def listens(subject: str, **options: Any) -> Callable[[HearT], HearT]:
    """Register a coroutine as a core NATS subscriber, and return it unchanged.

    Args:
        subject: the subject to subscribe to; `*` and a final `>` are wildcards.
        options: see the attributes of `Subscriber`.

    Raises:
        ConfigurationError: an option or the function's signature is invalid.
    """

    def register(function: HearT) -> HearT:
        check_options(function, options, Subscriber)
        name = function.__name__.removeprefix("hear_")
        _registry.append(Subscriber(name=name, subject=subject, function=function, **options))
        return function

    return register


def registered() -> list[Subscriber]:
    """Return every subscriber of the files imported so far."""
    return list(_registry)


def overlap(one: str, other: str) -> bool:
    """Return whether a message can match both subjects."""
    ours, theirs = one.split("."), other.split(".")
    for a, b in zip(ours, theirs, strict=False):
        if ">" in (a, b):
            return True
        if a != b and "*" not in (a, b):
            return False
    return len(ours) == len(theirs)
