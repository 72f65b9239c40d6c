"""What a handler file says about its subscription: the `subscriber` decorator and what it registers."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Literal, TypedDict, TypeVar, Unpack

from src.infrastructure.errors import ConfigurationError
from src.infrastructure.handling.backoff import Backoff
from src.infrastructure.handling.decoding import Decoder, Signature, decoder_of, problem_of, signature_of
from src.infrastructure.message import Message
from src.infrastructure.wiring.declaring import place_of, refuse_unknown

__all__ = ["Backoff", "Message", "Subscription", "registered", "subscriber"]

Handler = Callable[..., Awaitable[None]]
HandlerT = TypeVar("HandlerT", bound=Handler)

NAME = re.compile(r"[A-Za-z0-9_-]+")  # what NATS takes as the name of a stream or consumer and as one subject token
MOST_AT_ONCE = 100  # messages in a batch, unless it is said
SUBJECT = re.compile(r"([^\s.*>]+|\*)(\.([^\s.*>]+|\*))*(\.>)?")


@dataclass(frozen=True, slots=True)
class Subscription:
    """One handler and how its messages are fetched, retried and given up.

    Attributes:
        handler: name of the handler, from the function's: `handle_order_created` is `order_created`.
        subject: the subject it listens to; `*` and a last `>` are wildcards.
        function: the handler itself.
        durable: name of the JetStream consumer; without one `<service>-<handler>`.
        stream: name of the stream; without one it is looked up by the subject.
        deliver: where a durable that has to be made starts: `all` messages of the stream, or `new` ones only.
        concurrency: handlers that run at once; 1 keeps the stream's order while nothing fails.
        prefetch: messages that are asked for ahead of the handler.
        ack_wait: seconds that the server waits for a sign of life from a message; kept alive while it is handled.
        ack_sync: whether an acknowledgement waits for the server's confirmation. Then a connection that dies costs one
            redelivery at most for each handler that runs; it takes a round trip for each message.
        max_ack_pending: messages that all replicas together may hold unsettled.
        max_attempts: starts of the handler after which a failing message becomes a dead letter.
        backoff: the delays between attempts.
        schedule_above: seconds; a longer delay is scheduled on the server, where its message keeps no place among
            `max_ack_pending` (servers before 2.12 cannot, and hold it).
        batch_size: the most messages that a handler of `list[...]` gets at once; without one 100, or `prefetch` where
            that is less.
        batch_wait: seconds that such a handler's first message waits for others.
        decoder: reads the payload in place of JSON, text and bytes; what it raises at is read as those, and logged.
        strict: whether what the decoder raises at is a dead letter instead.
    """

    handler: str
    subject: str
    function: Handler
    durable: str | None = None
    stream: str | None = None
    deliver: Literal["all", "new"] = "all"
    concurrency: int = 1
    prefetch: int = 500
    ack_wait: float = 30.0
    ack_sync: bool = False
    max_ack_pending: int = 10_000
    max_attempts: int = 5
    backoff: Backoff = field(default_factory=Backoff)
    schedule_above: float = 30.0
    batch_size: int | None = None
    batch_wait: float = 0.1
    decoder: Decoder | None = None
    strict: bool = False
    signature: Signature = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if problems := self._problems():
            where = place_of(self.function)
            raise ConfigurationError(f"{where}: " + "; ".join(problems))
        # what the annotations of the handler ask for: how a payload is read, one event or many, with its message or not
        object.__setattr__(self, "signature", signature_of(self.function, self.decoder, self.strict))

    @property
    def most_at_once(self) -> int:
        """The most messages that a handler of `list[...]` gets at once."""
        return min(self.prefetch, MOST_AT_ONCE) if self.batch_size is None else self.batch_size

    def durable_for(self, service: str) -> str:
        """Name of the JetStream consumer in `service`."""
        return self.durable or f"{service}-{self.handler}"

    def _problems(self) -> list[str]:
        found = self.backoff.problems()
        if not SUBJECT.fullmatch(self.subject):
            found.append(f"subject is {self.subject!r}; it takes tokens joined by dots, `*` and a last `>`")
        for name, value in (("durable", self.durable), ("stream", self.stream)):
            if value is not None and not NAME.fullmatch(value):
                found.append(f"{name} is {value!r}; it takes letters, digits, _ and -")
        if self.deliver not in ("all", "new"):
            found.append(f"deliver is {self.deliver!r}; it takes 'all' or 'new'")
        for name, number in (
            ("concurrency", self.concurrency),
            ("prefetch", self.prefetch),
            ("max_ack_pending", self.max_ack_pending),
            ("max_attempts", self.max_attempts),
        ):
            if number < 1:
                found.append(f"{name} is {number}; it takes 1 or more")
        if self.batch_size is not None and not 1 <= self.batch_size <= self.prefetch:
            found.append(f"batch_size is {self.batch_size}; it takes 1 up to prefetch ({self.prefetch})")
        if self.batch_wait < 0:
            found.append(f"batch_wait is {self.batch_wait}; it takes seconds, 0 or more")
        if self.schedule_above < 0:
            found.append(f"schedule_above is {self.schedule_above}; it takes seconds, 0 or more")
        if self.ack_wait < 1:
            found.append(f"ack_wait is {self.ack_wait}; it takes seconds, 1 or more")
        if problem := problem_of(self.decoder):
            found.append(problem)
        return found


class Options(TypedDict, total=False):
    """What `subscriber` takes beside the subject; each is an attribute of `Subscription`, with its default there."""

    durable: str
    stream: str
    deliver: Literal["all", "new"]
    concurrency: int
    prefetch: int
    ack_wait: float
    ack_sync: bool
    max_ack_pending: int
    max_attempts: int
    backoff: Backoff
    schedule_above: float
    batch_size: int
    batch_wait: float
    decoder: Decoder
    strict: bool


_registry: list[Subscription] = []


def subscriber(subject: str, **options: Unpack[Options]) -> Callable[[HandlerT], HandlerT]:
    """Registers a coroutine as the handler of a subject and returns it as it is.

    Args:
        subject: the subject to listen to; `*` and a last `>` are wildcards.
        options: see `Options`.

    Raises:
        ConfigurationError: an option or the function's signature does not fit.
    """

    def register(function: HandlerT) -> HandlerT:
        refuse_unknown(function, options, Options)
        name = function.__name__.removeprefix("handle_")
        _registry.append(Subscription(handler=name, subject=subject, function=function, **options))
        return function

    return register


def registered() -> list[Subscription]:
    """Every subscription of the handlers imported so far, in the order of their registration.

    Raises:
        ConfigurationError: two handlers share a name, and so would share a durable and their dead letters; or one is to
            be strict, and has no decoder.
    """
    seen: dict[str, Subscription] = {}
    for subscription in _registry:
        if other := seen.get(subscription.handler):
            raise ConfigurationError(
                f"two handlers are named {subscription.handler}: in {other.function.__module__} and in "
                f"{subscription.function.__module__}; give each subscription a function with a name of its own"
            )
        decoder, strict = decoder_of(subscription.handler, subscription.decoder, subscription.strict)
        seen[subscription.handler] = replace(subscription, decoder=decoder, strict=strict)
    return list(seen.values())
