"""Sending one HTTP request to a server on this machine or in a container, without proxies."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from typing import Any, NamedTuple

REQUEST_SECONDS = 5.0


class Response(NamedTuple):
    """The status code and the body as text."""

    status: int
    body: str

    def json(self) -> Any:
        """Return the body, parsed. Raises `ValueError` if it is not valid JSON."""
        return json.loads(self.body)


def request(
    host: str,
    port: int,
    path: str,
    *,
    method: str = "GET",
    body: str | None = None,
    headers: Mapping[str, str] | None = None,
    limit: float = REQUEST_SECONDS,
) -> Response:
    """Send one request and return the response, whatever its status.

    Raises `OSError` or `http.client.HTTPException` if there is none; each wait for bytes may take `limit` seconds.
    """
    connection = http.client.HTTPConnection(host, port, timeout=limit)
    try:
        connection.request(method, path, body=body, headers=dict(headers or {}))
        response = connection.getresponse()
        return Response(response.status, response.read().decode(errors="replace"))
    finally:
        connection.close()
