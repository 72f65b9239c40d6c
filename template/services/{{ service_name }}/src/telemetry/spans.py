"""Spans: made current for the code that runs in them and for its log lines, with what failed."""

from __future__ import annotations

import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import structlog
from opentelemetry import propagate
from opentelemetry.context import Context, attach, detach
from opentelemetry.trace import Link, Span, SpanKind, Status, StatusCode, Tracer, get_current_span, set_span_in_context

from src.config import redacted
from src.domain.events import Incoming
from src.infrastructure.message import Message
from src.telemetry.measures import Measures

SYSTEM = {"messaging.system": "nats"}
FIELDS = propagate.get_global_textmap().fields


@dataclass
class Scope:
    """Holds what makes the spans and metrics of one connection.

    Attributes:
        tracer: makes the spans.
        measures: the metrics.
        server: the attributes of the server that it is connected to.
    """

    tracer: Tracer
    measures: Measures
    server: dict[str, str | int] = field(default_factory=dict)


def context_in(headers: Mapping[str, str]) -> Context:
    """Return the context that headers carry; an empty one if there is none."""
    return Context() if FIELDS.isdisjoint(headers) else propagate.extract(headers, Context())


def link_to(headers: Mapping[str, str]) -> Link | None:
    """Return a link to the context that headers carry."""
    context = get_current_span(context_in(headers)).get_span_context()
    return Link(context) if context.is_valid else None


@contextmanager
def current_span(
    tracer: Tracer,
    name: str,
    kind: SpanKind,
    parent: Context,
    attributes: Mapping[str, str | int] | None = None,
    links: Sequence[Link] = (),
) -> Iterator[Span]:
    """Make a span current in the block; an exception that leaves it marks the span as failed."""
    span = tracer.start_span(name, parent, kind, attributes, links)
    context = span.get_span_context()
    bound = structlog.contextvars.bind_contextvars(
        trace_id=f"{context.trace_id:032x}", span_id=f"{context.span_id:016x}"
    )
    token = attach(set_span_in_context(span, parent))
    try:
        yield span
    except Exception as error:
        fail(span, error)
        raise
    finally:
        detach(token)
        structlog.contextvars.reset_contextvars(**bound)
        span.end()


def fail(span: Span, error: BaseException) -> None:
    """Mark a span as failed, with the exception as an event; secrets are hidden.

    An action that rejects a request with a status of 400 to 499 has not failed: the caller has.
    """
    span.set_attribute("error.type", type_of(error))
    if span.is_recording() and not type_of(error).startswith("4"):
        text, stack = redacted(str(error)), redacted("".join(traceback.format_exception(error)))
        span.set_status(Status(StatusCode.ERROR, text))
        span.record_exception(error, {"exception.message": text, "exception.stacktrace": stack})


def type_of(error: BaseException) -> str:
    """Return the `error.type`: the code that an action rejects a request with, else the exception's class."""
    code = getattr(error, "code", None)
    return code if isinstance(code, str) and code else type(error).__qualname__


def about(incoming: Incoming) -> dict[str, str | int]:
    """Return the attributes of one message or request."""
    found: dict[str, str | int] = {"messaging.message.conversation_id": incoming.correlation_id}
    if isinstance(incoming, Message):
        found["messaging.destination.name"] = incoming.subject
        found["messaging.message.id"] = incoming.id
        found["messaging.message.body.size"] = len(incoming.data)
        found["messaging.nats.stream"] = incoming.stream
        found["messaging.nats.sequence"] = incoming.sequence
        found["messaging.nats.attempt"] = incoming.attempt
    return found


def destination_of(subject: str) -> dict[str, str]:
    """Return the attributes for the subject of a subscription: a template if it has wildcards."""
    wild = "*" in subject or ">" in subject
    return {"messaging.destination.template" if wild else "messaging.destination.name": subject}
