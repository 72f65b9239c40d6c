"""Spans around the deliveries of messages from streams."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import cached_property
from typing import Any, cast

from opentelemetry.context import attach, detach
from opentelemetry.trace import SpanKind, Status, StatusCode, get_current_span

from src.infrastructure.dead_letters import Reason
from src.infrastructure.delivery import Delivery
from src.infrastructure.message import Message
from src.infrastructure.publishing import Publications
from src.telemetry.processing import Processing
from src.telemetry.spans import Scope, context_in, fail


class TracedDelivery(Delivery):
    """The part of a delivery that makes spans: from before the payload is decoded until the message is settled.

    Attributes:
        scope: makes the spans and metrics.
        service: the service's name.
    """

    scope: Scope
    service: str

    @cached_property
    def _processing(self) -> Processing:
        durable = self.subscription.durable_for(self.service)
        return Processing(self.scope, SpanKind.CONSUMER, self.subscription.subject, durable)

    async def deliver(self, message: Message) -> None:
        """Handle one message and settle it, in a span that continues its trace."""
        with self._processing.span(message):
            await super().deliver(message)

    async def deliver_batch(self, messages: Sequence[Message]) -> None:
        """Handle a batch and settle its messages, in a span that is linked to the trace of each."""
        with self._processing.span_of_batch(messages):
            await cast(Any, super()).deliver_batch(messages)

    async def handle(self, event: Any, received: Any, published: Sequence[Publications]) -> BaseException | None:
        """Call the handler, and note on the span what failed."""
        started = time.perf_counter()
        failure = await super().handle(event, received, published)
        self._processing.took(time.perf_counter() - started, failure)
        if failure is not None:
            fail(get_current_span(), failure)
        return failure

    async def give_up(self, message: Message, reason: Reason, error: BaseException | None) -> None:
        """Make a message a dead letter. That of a batch's message continues the message's own trace."""
        span = get_current_span()
        if error is None:
            span.set_status(Status(StatusCode.ERROR, reason.value))
            span.set_attribute("error.type", reason.value)
        elif reason is Reason.INVALID:
            fail(span, error)
        token = attach(context_in(message.headers)) if self.subscription.signature.takes_list else None
        try:
            await super().give_up(message, reason, error)
        finally:
            if token:
                detach(token)
