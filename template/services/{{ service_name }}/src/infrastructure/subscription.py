"""Subscriptions: the `subscriber` decorator of handler files, and its options."""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from functools import cached_property
from typing import Annotated, Any, Concatenate, Literal, ParamSpec, TypeVar, get_type_hints

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError, with_config

from src.infrastructure import decoding
from src.infrastructure.decoding import Decoding, Signature, place_of, signature_of
from src.infrastructure.errors import ConfigurationError
from src.infrastructure.message import Message
from src.infrastructure.publishing import declared
from src.infrastructure.resources import with_resources

__all__ = ["Backoff", "Message", "Subscription", "registered", "subscriber"]

Handler = Callable[..., Awaitable[None]]
HandlerT = TypeVar("HandlerT", bound=Handler)
Options = ParamSpec("Options")
Decorator = TypeVar("Decorator", bound=Callable[..., Any])

NAME = re.compile(r"[A-Za-z0-9_-]+")  # what NATS accepts as the name of a stream or consumer
SUBJECT = re.compile(r"([^\s.*>]+|\*)(\.([^\s.*>]+|\*))*(\.>)?")

Name = Annotated[str, Field(pattern=f"^{NAME.pattern}$")]
Count = Annotated[int, Field(ge=1)]
Seconds = Annotated[float, Field(gt=0)]
AtLeastOne = Annotated[float, Field(ge=1)]


@with_config(ConfigDict(revalidate_instances="always"))
@dataclass(frozen=True, slots=True)
class Backoff:
    """The delays between attempts: exponential, with jitter and a cap.

    Attributes:
        initial: seconds before the second attempt.
        factor: what each further delay is multiplied by.
        maximum: seconds that no delay exceeds, apart from jitter.
        jitter: share of the delay by which it varies at random, so that failures do not return in step.
    """

    initial: Seconds = 1.0
    factor: Annotated[float, Field(ge=1)] = 2.0
    maximum: Seconds = 60.0
    jitter: Annotated[float, Field(ge=0, lt=1)] = 0.2

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
        batch_size: the most messages that a handler of `list[...]` gets at once; never more than `prefetch`.
        batch_wait: seconds that the first message of a batch waits for others.
        decoder: decodes other formats than JSON, text and bytes; see the extra `decoders`.
    """

    handler: str
    subject: str
    function: Handler
    durable: Name | None = None
    stream: Name | None = None
    deliver: Literal["all", "new"] = "all"
    concurrency: Count = 1
    prefetch: Count = 500
    ack_wait: AtLeastOne = 30.0
    timeout: Seconds | None = None
    ack_sync: bool = False
    max_ack_pending: Count = 10_000
    max_attempts: Count = 5
    backoff: Backoff = field(default_factory=Backoff)
    publishes: Sequence[str] = ()
    batch_size: Count = 100
    batch_wait: Annotated[float, Field(ge=0)] = 0.1
    decoder: Decoding | None = None

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

    def durable_for(self, service: str) -> str:
        """Return the name of the JetStream consumer in `service`."""
        return self.durable or f"{service}-{self.handler}"


def takes_options_of(
    kind: Callable[Concatenate[str, str, Any, Options], object],
) -> Callable[[Callable[..., Decorator]], Callable[Concatenate[str, Options], Decorator]]:
    """Tell type checkers the options of a decorator: the fields of a dataclass after name, subject and function."""
    return lambda decorator: decorator


_registry: list[Subscription] = []


@takes_options_of(Subscription)
def subscriber(subject: str, **options: Any) -> Callable[[HandlerT], HandlerT]:
    """Register a coroutine function as the handler of a subject, and return it unchanged.

    Args:
        subject: the subject; `*` and a final `>` are wildcards.
        options: see `Subscription`.

    Raises:
        ConfigurationError: an option is invalid.
    """

    def register(function: HandlerT) -> HandlerT:
        check_options(function, options, Subscription)
        if not SUBJECT.fullmatch(subject):
            raise ConfigurationError(f"{place_of(function)}: subject is {subject!r}; use tokens joined by dots, * or >")
        declared.update(options.get("publishes", ()))
        name = function.__name__.removeprefix("handle_")
        _registry.append(Subscription(handler=name, subject=subject, function=function, **options))
        return function

    return register


def check_options(function: Callable[..., object], options: Mapping[str, object], known: type) -> None:
    """Check the options of a decorator.

    Args:
        function: the function below the decorator.
        options: what the decorator got.
        known: a `TypedDict` of the options that it takes; or a dataclass, as for `takes_options_of`.

    Raises:
        ConfigurationError: there is no such option, or its value does not fit.
    """
    where, kinds = place_of(function), get_type_hints(known, include_extras=True)
    names = [field.name for field in fields(known)[3:] if field.init] if is_dataclass(known) else list(kinds)
    for name, value in options.items():
        if name not in names:
            raise ConfigurationError(f"{where}: unknown option {name}; use one of {', '.join(names)}")
        try:
            TypeAdapter(kinds[name]).validate_python(value, strict=True)
        except ValidationError as error:
            problem = error.errors()[0]
            name = ".".join(map(str, (name, *problem["loc"])))
            raise ConfigurationError(f"{where}: {name} is {problem['input']!r}: {problem['msg']}") from error


def registered() -> list[Subscription]:
    """Return every subscription of the handlers imported so far."""
    return list(_registry)
