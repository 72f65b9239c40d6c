"""Limits what clients can use of the gateway: connections, and the time to send a request's headers."""

from __future__ import annotations

import asyncio
import resource

import prometheus_client as prometheus
from uvicorn.protocols.http.h11_impl import H11Protocol

from src.web.settings import settings

REFUSED = prometheus.Counter("gateway_connections_refused", "Connections closed because there were too many")
LATE = prometheus.Counter("gateway_connections_late", "Connections closed because no request arrived in time")

# Not only clients need files: below the limit, the event loop never fails to accept a connection.
MOST = min(settings.HTTP_MAX_CONNECTIONS, resource.getrlimit(resource.RLIMIT_NOFILE)[0] * 3 // 4)


class BoundedConnection(H11Protocol):
    """A client's connection. uvicorn itself waits for a request's headers without a limit."""

    _expiry: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Close the connection if there are too many."""
        super().connection_made(transport)
        if len(self.connections) > MOST:
            REFUSED.inc()
            transport.abort()
        else:
            self._await_headers()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the timer."""
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Start the timer at the first byte of a request, and stop it when its headers are complete."""
        super().data_received(data)
        if self.cycle and not self.cycle.response_complete:
            self._stop_timer()
        elif self._expiry is None:
            self._await_headers()

    def _await_headers(self) -> None:
        self._expiry = self.loop.call_later(settings.HTTP_READ_TIMEOUT, self._expire)

    def _stop_timer(self) -> None:
        if self._expiry:
            self._expiry.cancel()
            self._expiry = None

    def _expire(self) -> None:
        LATE.inc()
        self.transport.abort()
