"""The connection to NATS, with a span around everything that is sent, settled, and handled."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar, cast

from nats.js.api import PubAck
from nats.micro.request import ERROR_CODE_HEADER
from opentelemetry import propagate
from opentelemetry.context import get_current
from opentelemetry.trace import INVALID_SPAN, Span, SpanKind, StatusCode, get_current_span, set_span_in_context

from src.config import Settings
from src.domain.events import current
from src.infrastructure.message import ACK, IN_PROGRESS, NAK, TERM, Message
from src.infrastructure.nats_client import NatsClient
from src.infrastructure.publishing import declared
from src.telemetry import sdk
from src.telemetry.delivery import TracedDelivery
from src.telemetry.exchanges import traced_exchanges
from src.telemetry.processing import Processing
from src.telemetry.spans import SYSTEM, Scope, context_in, fail, type_of

Handles = TypeVar("Handles")

ACKS = "$JS.ACK."
SETTLING = {ACK: "ack", NAK: "nak", TERM: "term"}  # the first word of an answer, and the operation's name


class TracedClient(NatsClient):
    """The service's connection.

    Attributes:
        scope: makes the spans and metrics.
    """

    FLUSH_LIMIT = 3.0  # seconds that the last export may take

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._sdk = sdk.start()
        self.scope = Scope(self._sdk.tracer, self._sdk.measures)
        self.listeners.add(self._note_server)

    def observed(self, handles: Handles, **operation: str) -> Handles:
        """Return what handles or sends messages, with spans."""
        if isinstance(handles, type):
            own = {"scope": self.scope, "service": self.service}
            return cast(Handles, type(f"Traced{handles.__name__}", (TracedDelivery, handles), own))
        make = {"http": self._answering, "client": self._calling, "producer": self._publishing}
        return cast(Handles, make.get(operation["kind"], self._processing)(handles, **operation))

    async def publish(self, subject: str, data: bytes, headers: dict[str, str]) -> PubAck:
        """Publish to a stream, in a span that the message carries on."""
        with self._sending("send", SpanKind.PRODUCER, subject, data, headers) as span:
            confirmed = await super().publish(subject, data, headers)
            span.set_attribute("messaging.nats.stream", confirmed.stream)
            span.set_attribute("messaging.nats.sequence", confirmed.seq)
            return confirmed

    def answer(self, reply: str, payload: bytes, headers: Mapping[str, str] | None = None) -> None:
        """Send an ack or a reply; an ack that ends a delivery has a span, if the delivery has one."""
        if reply.startswith(ACKS) and payload != IN_PROGRESS and get_current_span().is_recording():
            self._settling(reply, payload).end()
        super().answer(reply, payload, headers)

    async def answer_confirmed(self, reply: str, payload: bytes) -> None:
        """Send an ack and return when the server has confirmed it."""
        span = self._settling(reply, payload)
        try:
            await super().answer_confirmed(reply, payload)
        except Exception as error:
            fail(span, error)
            raise
        finally:
            span.end()

    async def close(self) -> None:
        """Close the connection, and export what there is."""
        await super().close()
        await self._sdk.flush(self.FLUSH_LIMIT)

    def _processing(self, handles: Any, kind: str, destination: str, group: str = "") -> Any:
        kinds = {"process": SpanKind.CONSUMER, "server": SpanKind.SERVER}
        return Processing(self.scope, kinds[kind], destination, group).traced(handles)

    def _answering(self, answers: Any, kind: str) -> Any:
        return traced_exchanges(self.scope.tracer, answers)

    def _calling(self, request: Any, kind: str) -> Any:
        async def call(subject: str, data: bytes, *, timeout: float, headers: Mapping[str, str] | None) -> Any:
            sent = dict(headers or {})
            with self._sending("request", SpanKind.CLIENT, subject, data, sent) as span:
                reply = await request(subject, data, timeout=timeout, headers=sent)
                if code := (reply.headers or {}).get(ERROR_CODE_HEADER):
                    span.set_attribute("error.type", code)
                    span.set_status(StatusCode.ERROR)
                return reply

        return call

    def _publishing(self, publish: Any, kind: str) -> Any:
        async def send(subject: str, data: bytes, *, headers: Mapping[str, str] | None) -> None:
            sent = dict(headers or {})
            with self._sending("publish", SpanKind.PRODUCER, subject, data, sent):
                await publish(subject, data, headers=sent)

        return send

    @contextmanager
    def _sending(self, name: str, kind: SpanKind, subject: str, data: bytes, headers: dict[str, str]) -> Iterator[Span]:
        """Make a span for a message that is sent in the block, and put its context into the headers."""
        here = get_current_span().get_span_context()
        parent = get_current() if here.is_valid else context_in(headers)
        operation = {**SYSTEM, "messaging.operation.name": name, **self.scope.server}
        span: Span = INVALID_SPAN
        started, failed = time.perf_counter(), ""
        if not here.is_valid or here.trace_flags.sampled:  # else nothing would record it
            message_id = headers.get("Nats-Msg-Id", "")
            template = subject.replace(message_id, "{id}") if message_id else subject
            given: dict[str, str | int] = {
                "messaging.operation.type": "send",
                "messaging.destination.name": subject,
                "messaging.destination.template": template if template != subject else "",
                "messaging.message.id": message_id,
                "messaging.message.conversation_id": headers.get("Correlation-Id", ""),
                "messaging.message.body.size": len(data),
            }
            attributes = operation | {name: value for name, value in given.items() if value != ""}
            span = self.scope.tracer.start_span(f"{name} {template}", parent, kind, attributes)
            parent = set_span_in_context(span, parent)
        propagate.inject(headers, parent)
        try:
            yield span
        except Exception as error:
            failed = type_of(error)
            fail(span, error)
            raise
        finally:
            span.end()
            measured = {**operation, "messaging.destination.name": subject} if subject in declared else operation
            self.scope.measures.sent(
                time.perf_counter() - started, {**measured, "error.type": failed} if failed else measured
            )

    def _settling(self, reply: str, payload: bytes) -> Span:
        name = SETTLING.get(payload.partition(b" ")[0], "settle")
        tokens, message = reply.split("."), current.get()
        attributes: dict[str, str | int] = {
            **SYSTEM,
            "messaging.operation.name": name,
            "messaging.operation.type": "settle",
            "messaging.consumer.group.name": tokens[3 if len(tokens) == 9 else 5],  # else with domain and account
            **self.scope.server,
        }
        if isinstance(message, Message):
            attributes["messaging.destination.name"] = message.subject
            attributes["messaging.message.id"] = message.id
            name = f"{name} {message.subject}"
        return self.scope.tracer.start_span(name, None, SpanKind.CLIENT, attributes)

    def _note_server(self) -> None:
        if url := self.client.connected_url:
            self.scope.server = {"server.address": url.hostname or "", "server.port": url.port or 4222}
