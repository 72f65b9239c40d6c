"""Spans around what handles messages and requests."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind

from src.infrastructure.message import Message
from src.telemetry.measures import Key
from src.telemetry.spans import SYSTEM, Scope, about, context_in, current_span, destination_of, fail, link_to, type_of

TYPE = {"messaging.operation.type": "process"}  # an attribute of spans, and not of metrics


class Processing:
    """Makes spans around what handles the messages of one subscription, or the requests of one action.

    Args:
        scope: makes the spans and metrics.
        kind: the kind of the spans.
        destination: the subject of the subscription.
        group: the durable or the queue group; empty for none.
    """

    def __init__(self, scope: Scope, kind: SpanKind, destination: str, group: str = "") -> None:
        self._scope = scope
        self._kind = kind
        self._name = f"process {destination}"
        self._server: dict[str, str | int] | None = None
        self._key: Key = frozenset()
        self._attributes: dict[str, str | int] = {
            **SYSTEM,
            "messaging.operation.name": "process",
            **destination_of(destination),
            **({"messaging.consumer.group.name": group} if group else {}),
        }

    def traced(self, handles: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
        """Return a coroutine function that handles a request or message in a span; its `error` marks it as failed."""

        async def handle(incoming: Any, *more: Any) -> None:
            started = time.perf_counter()
            with self.span(incoming) as span:
                await handles(incoming, *more)
                if incoming.error:
                    fail(span, incoming.error)
            self.took(time.perf_counter() - started, incoming.error)

        return handle

    @contextmanager
    def span(self, incoming: Any) -> Iterator[Span]:
        """Make a span that continues the trace of a message or request."""
        self._look_at_server()
        self._scope.measures.consumed(1, self._key)
        parent = context_in(incoming.headers)
        with current_span(self._scope.tracer, self._name, self._kind, parent) as span:
            if span.is_recording():  # most are not if only a part is sampled, and attributes take longest
                span.set_attributes({**self._attributes, **TYPE, **about(incoming)})
            yield span

    def span_of_batch(self, messages: Sequence[Message]) -> AbstractContextManager[Span]:
        """Make a span for messages that are handled together; it is linked to the trace of each."""
        links = [link for message in messages if (link := link_to(message.headers))]
        self._look_at_server()
        self._scope.measures.consumed(len(messages), self._key)
        attributes = {**self._attributes, **TYPE, "messaging.batch.message_count": len(messages)}
        return current_span(self._scope.tracer, self._name, self._kind, Context(), attributes, links)

    def took(self, seconds: float, error: BaseException | None) -> None:
        """Record how long the handler took, and what failed."""
        attributes = {**self._attributes, "error.type": type_of(error)} if error else self._attributes
        self._scope.measures.processed(seconds, attributes)

    def _look_at_server(self) -> None:
        """Note the server's address, which changes with the connection."""
        if self._server is not self._scope.server:
            self._server = self._scope.server
            self._attributes |= self._server
            self._key = frozenset(self._attributes.items())
