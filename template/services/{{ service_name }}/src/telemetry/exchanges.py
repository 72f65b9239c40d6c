"""Spans around the HTTP requests of a gateway.

https://github.com/open-telemetry/semantic-conventions/blob/main/docs/http/http-spans.md
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from opentelemetry.trace import Span, SpanKind, StatusCode, Tracer

from src.telemetry.spans import context_in, current_span, fail

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


def traced_exchanges(tracer: Tracer, answer: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    """Return a coroutine function that answers an HTTP request in a span; it continues the client's trace."""

    async def traced(exchange: Any, scope: dict[str, Any], *more: Any) -> None:
        method = exchange.method if exchange.method in METHODS else "_OTHER"
        given = {
            "http.request.method": method,
            "url.path": exchange.path,
            "url.scheme": scope.get("scheme", "http"),
            "network.protocol.version": scope.get("http_version", ""),
            "server.address": exchange.headers.get("host", "").rpartition(":")[0] or exchange.headers.get("host", ""),
            "client.address": (scope.get("client") or ("",))[0],
            "user_agent.original": exchange.headers.get("user-agent", ""),
        }
        attributes = {name: value for name, value in given.items() if value}
        with current_span(tracer, method, SpanKind.SERVER, context_in(exchange.headers), attributes) as span:
            try:
                await answer(exchange, scope, *more)
            finally:
                _describe(span, method, exchange)

    return traced


def _describe(span: Span, method: str, exchange: Any) -> None:
    """Note how a request was answered. Errors of the client are no failures of the service."""
    if exchange.route:
        span.update_name(f"{method} {exchange.route}")
        span.set_attribute("http.route", exchange.route)
    span.set_attribute("http.response.status_code", exchange.status)
    if exchange.status >= 500:
        if exchange.error:
            fail(span, exchange.error)
        span.set_status(StatusCode.ERROR)
        span.set_attribute("error.type", str(exchange.status))
