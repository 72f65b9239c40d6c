"""Subscriptions: the `subscriber` decorator of handler files, and its options."""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, TypedDict, TypeVar, Unpack

from src.infrastructure import decoding
from src.infrastructure.decoding import Decoding, Signature, place_of, signature_of
from src.infrastructure.errors import ConfigurationError
from src.infrastructure.message import Message
from src.infrastructure.publishing import declared
from src.infrastructure.resources import with_resources

__all__ = ["Backoff", "Message", "Subscription", "registered", "subscriber"]

Handler = Callable[..., Awaitable[None]]
HandlerT = TypeVar("HandlerT", bound=Handler)

NAME = re.compile(r"[A-Za-z0-9_-]+")  # what NATS accepts as the name of a stream or consumer
SUBJECT = re.compile(r"([^\s.*>]+|\*)(\.([^\s.*>]+|\*))*(\.>)?")


@dataclass(frozen=True, slots=True)
class Backoff:
    """The delays between attempts: exponential, with jitter and a cap.

    Attributes:
        initial: seconds before the second attempt.
        factor: what each further delay is multiplied by.
        maximum: seconds that no delay exceeds, apart from jitter.
        jitter: share of the delay by which it varies at random, so that failures do not return in step.
    """

    initial: float = 1.0
    factor: float = 2.0
    maximum: float = 60.0
    jitter: float = 0.2

    def delay(self, attempt: int) -> float:
        """Return the seconds to wait after `attempt` (1 for the first) failed."""
        # the exponent has a bound, since a float overflows long after the maximum is reached
        delay = min(self.initial * self.factor ** min(attempt - 1, 64), self.maximum)
        return delay * random.uniform(1 - self.jitter, 1 + self.jitter)


@dataclass(frozen=True)
class Subscription:
    """One handler, and how its messages are fetched, retried and given up.

    Attributes:
        handler: the handler's name, from its function's: `handle_order_created` is `order_created`.
        subject: the subject; `*` and a final `>` are wildcards.
        function: the handler.
        durable: the JetStream consumer; `<service>-<handler>` by default.
        stream: the stream; by default the one that stores the subject.
        deliver: where a new durable starts: `all` messages of the stream, or `new` ones only.
        concurrency: how many handlers run at once; 1 keeps the stream's order while nothing fails.
        prefetch: how many messages are requested ahead of the handler.
        ack_wait: seconds until the server delivers an unsettled message again; the worker extends it while it handles.
        timeout: seconds that the handler may run; then it is cancelled, which counts as a failure. No limit by default.
        ack_sync: whether an ack waits for the server's confirmation, which costs a round trip for each message.
        max_ack_pending: how many messages all replicas together may hold unsettled.
        max_attempts: how often the handler is called before a failing message becomes a dead letter.
        backoff: the delays between attempts.
        publishes: subjects that the handler publishes to; the worker makes sure that streams store them.
        batch_size: the most messages that a handler of `list[...]` gets at once; 100 or `prefetch` by default.
        batch_wait: seconds that the first message of a batch waits for others.
        decoder: decodes other formats than JSON, text and bytes; see the extra `decoders`.
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
    timeout: float | None = None
    ack_sync: bool = False
    max_ack_pending: int = 10_000
    max_attempts: int = 5
    backoff: Backoff = field(default_factory=Backoff)
    publishes: Sequence[str] = ()
    batch_size: int | None = None
    batch_wait: float = 0.1
    decoder: Decoding | None = None

    def __post_init__(self) -> None:
        if problems := self._problems():
            raise ConfigurationError(f"{place_of(self.function)}: " + "; ".join(problems))

    @cached_property
    def signature(self) -> Signature:
        """Return how the handler is called.

        Raises:
            ConfigurationError: the function cannot be a handler.
        """
        return signature_of(self.function, self.decoder or decoding.subscription_decoding)

    def caller(self) -> Callable[[Any, Any], Awaitable[None]]:
        """Return a function of an event and its message that calls the handler, within `timeout`."""
        function = with_resources(self.function)
        call: Handler = function if self.signature.takes_message else lambda event, message: function(event)
        limit = self.timeout
        if limit is None:
            return call

        async def call_in_time(event: Any, message: Any) -> None:
            try:
                async with asyncio.timeout(limit) as scope:
                    await call(event, message)
            except TimeoutError as error:
                if scope.expired():
                    raise TimeoutError(f"the handler ran longer than its timeout of {limit:g} s") from error
                raise

        return call_in_time

    @property
    def most_at_once(self) -> int:
        """Return the most messages that a handler of `list[...]` gets at once."""
        return min(self.prefetch, 100) if self.batch_size is None else self.batch_size

    def durable_for(self, service: str) -> str:
        """Return the name of the JetStream consumer in `service`."""
        return self.durable or f"{service}-{self.handler}"

    def _problems(self) -> list[str]:
        backoff, most = self.backoff, self.prefetch
        positive = ("concurrency", "prefetch", "max_ack_pending", "max_attempts", "ack_wait")
        holds = {
            f"subject is {self.subject!r}; use tokens joined by dots, * or >": SUBJECT.fullmatch(self.subject),
            f"durable is {self.durable!r}; use letters, digits, _ and -": NAME.fullmatch(self.durable or "default"),
            f"stream is {self.stream!r}; use letters, digits, _ and -": NAME.fullmatch(self.stream or "default"),
            f"deliver is {self.deliver!r}; use 'all' or 'new'": self.deliver in ("all", "new"),
            **{f"{name} is {getattr(self, name)}; use 1 or more": getattr(self, name) >= 1 for name in positive},
            f"batch_size is {self.batch_size}; use 1 up to prefetch ({most})": self.batch_size is None
            or 1 <= self.batch_size <= most,
            f"batch_wait is {self.batch_wait}; use seconds, 0 or more": self.batch_wait >= 0,
            f"backoff.initial is {backoff.initial}; use seconds above 0": backoff.initial > 0,
            f"backoff.factor is {backoff.factor}; use 1 or more": backoff.factor >= 1,
            f"backoff.maximum is {backoff.maximum}; use at least initial": backoff.maximum >= backoff.initial,
            f"backoff.jitter is {backoff.jitter}; use 0 to below 1": 0 <= backoff.jitter < 1,
            f"timeout is {self.timeout}; use seconds above 0": self.timeout is None or self.timeout > 0,
            f"decoder is {self.decoder!r}; use a function": self.decoder is None or callable(self.decoder),
        }
        return [problem for problem, is_right in holds.items() if not is_right]


class Options(TypedDict, total=False):
    """The options of `subscriber`; each is an attribute of `Subscription`."""

    durable: str
    stream: str
    deliver: Literal["all", "new"]
    concurrency: int
    prefetch: int
    ack_wait: float
    timeout: float
    ack_sync: bool
    max_ack_pending: int
    max_attempts: int
    backoff: Backoff
    publishes: Sequence[str]
    batch_size: int
    batch_wait: float
    decoder: Decoding


_registry: list[Subscription] = []


def subscriber(subject: str, **options: Unpack[Options]) -> Callable[[HandlerT], HandlerT]:
    """Register a coroutine function as the handler of a subject, and return it unchanged.

    Args:
        subject: the subject; `*` and a final `>` are wildcards.
        options: see `Subscription`.

    Raises:
        ConfigurationError: an option is invalid.
    """

    def register(function: HandlerT) -> HandlerT:
        refuse_unknown(function, options, Options)
        declared.update(options.get("publishes", ()))
        name = function.__name__.removeprefix("handle_")
        _registry.append(Subscription(handler=name, subject=subject, function=function, **options))
        return function

    return register


def refuse_unknown(function: Callable[..., object], options: Mapping[str, object], known: type) -> None:
    """Check that a decorator got only options that it has.

    Raises:
        ConfigurationError: it got another.
    """
    if unknown := sorted(options.keys() - known.__annotations__.keys()):
        raise ConfigurationError(
            f"{place_of(function)}: no option {', '.join(unknown)}; there are {', '.join(known.__annotations__)}"
        )


def registered() -> list[Subscription]:
    """Return every subscription of the handlers imported so far."""
    return list(_registry)
