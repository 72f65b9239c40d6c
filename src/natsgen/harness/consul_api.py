"""A client for the HTTP API of a Consul agent."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from natsgen.harness.errors import HarnessError
from natsgen.harness.http_client import Response, request


class ConsulApi:
    """The HTTP API of the agent at `host`:`port`; `token` is sent with every request.

    All methods raise `HarnessError` for a status other than 200, and `OSError` if the agent cannot be reached.
    """

    def __init__(self, host: str, port: int, token: str | None = None) -> None:
        self.host = host
        self.port = port
        self._headers = {"X-Consul-Token": token} if token else {}

    def get(self, path: str) -> Any:
        """Return the parsed JSON of any path, such as `/v1/status/leader`."""
        return self._send("GET", path).json()

    def put(self, path: str, body: str = "") -> str:
        """Send a PUT request, and return the answer as text."""
        return self._send("PUT", path, body).body

    def service_instances(self, name: str) -> list[dict[str, Any]]:
        """Return the instances of a service: `Node`, `Service` and `Checks` of each."""
        return list(self.get(f"/v1/health/service/{quote(name, safe='')}"))

    def _send(self, method: str, path: str, body: str | None = None) -> Response:
        response = request(self.host, self.port, path, method=method, body=body, headers=self._headers)
        if response.status != 200:
            raise HarnessError(
                f"Consul at {self.host}:{self.port} answered {method} {path} with {response.status}: "
                f"{response.body.strip()}"
            )
        return response
