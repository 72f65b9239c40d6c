"""A sample that runs, wherever it does: what the checks may ask of it."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from typing import Any

from natsgen.harness.consul_api import ConsulApi
from natsgen.harness.errors import HarnessError
from natsgen.harness.http_client import Response
from natsgen.harness.metrics_text import parse_metrics
from natsgen.harness.processes import Stopped

CONSUL_TTL = 3.0
"""Seconds: the least that a service takes, so that a heartbeat that is missing shows soon."""

GRACEFUL_SECONDS = 10.0
"""What a service is told that it may take to stop; idle ones take less than one."""


class Running(ABC):
    """A sample with the servers that it needs.

    `start` starts all of it; `end` ends whatever runs, and may be called at any time and again.
    """

    @abstractmethod
    def start(self) -> None:
        """Starts the servers and the service, until it serves HTTP."""

    @abstractmethod
    def stop(self) -> Stopped:
        """Asks the service to end (SIGTERM), and kills it if it does not in time. The servers run on."""

    @abstractmethod
    def end(self) -> None:
        """Ends and removes all of it."""

    @abstractmethod
    def kill(self) -> None:
        """Ends the service at once, from any thread, so that who waits for it hears of it."""

    @abstractmethod
    def check_alive(self) -> None:
        """Raises `ProcessDied` if the service has ended."""

    @property
    @abstractmethod
    def nats_url(self) -> str:
        """Where a client of NATS connects to."""

    @property
    @abstractmethod
    def consul(self) -> ConsulApi:
        """The Consul agent that it registers with. Raises `LeftOut` where there is none."""

    @property
    @abstractmethod
    def inbox(self) -> str:
        """Which inbox it runs with. Raises `LeftOut` where the one that it is made for cannot be had."""

    @abstractmethod
    def request(self, path: str, *, method: str = "GET", body: str | None = None) -> Response:
        """What the service answers."""

    @abstractmethod
    def status_at(self, address: str, port: int) -> int:
        """What `/readyz` answers at the address that Consul has. Raises `OSError` when nobody is there."""

    @abstractmethod
    def lines(self) -> list[str]:
        """What it has printed on standard output."""

    @abstractmethod
    def error_lines(self) -> list[str]:
        """What it has printed on standard error."""

    @abstractmethod
    def check_health(self) -> int:
        """The exit code of the image's health check, as it is now."""

    @abstractmethod
    def user_id(self) -> int:
        """As whom it runs."""

    def tail(self) -> str:
        """The end of what it has printed."""
        return "\n".join([*self.lines()[-25:], *self.error_lines()[-15:]])

    def stats(self) -> dict[str, Any]:
        """`/stats`, parsed."""
        return dict(json.loads(self._body("/stats")))

    def metrics(self) -> dict[str, float]:
        """`/metrics`: the value of each sample by its name with its labels."""
        return parse_metrics(self._body("/metrics"))

    def _body(self, path: str) -> str:
        response = self.request(path)
        if response.status != 200:
            raise HarnessError(f"{path} answered {response.status}: {response.body.strip()}")
        return response.body
