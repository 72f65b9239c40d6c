"""The environment variables that a service runs with."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import cache_from_source
from pathlib import Path

from dotenv import dotenv_values

from natsgen.harness.ports import LOOPBACK, free_port, is_free

ENV_FILE = ".env"
REQUIREMENTS = "requirements.txt"
GRACE = "GRACEFUL_SHUTDOWN_TIMEOUT"
STOP_SECONDS = "5"  # for running handlers at a restart; unfinished messages are given back and redelivered
DRAIN = "HTTP_DRAIN_TIME"
DRAIN_SECONDS = "0"  # a gateway waits for load balancers to notice its stop, and there are none here

# Variables that would make the service's Python use another environment than its own.
_FOREIGN = ("VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME")


@dataclass(frozen=True)
class Servers:
    """The servers that the services use.

    Attributes:
        nats: the address of NATS.
        consul_port: the port of Consul's agent on this machine; None to run without Consul.
    """

    nats: str
    consul_port: int | None = None

    def settings(self) -> dict[str, str]:
        """Return the settings that connect a service to the servers."""
        if self.consul_port is None:
            return {"NATS_URL": self.nats, "CONSUL_ENABLED": "false"}
        consul = {"CONSUL_HOST": LOOPBACK, "CONSUL_PORT": str(self.consul_port)}
        return {"NATS_URL": self.nats, "CONSUL_ENABLED": "true", **consul}


def services_in(folder: Path) -> set[str]:
    """Return the names of the runnable services in a folder."""
    found = (one for one in folder.iterdir() if not one.is_symlink())
    return {one.name for one in found if (one / "src" / "main.py").is_file()}


def variables(folder: Path, servers: Servers, port: int | None) -> dict[str, str]:
    """Return the whole environment of a service.

    Values of `.env` and the shell override the defaults, and the addresses of the servers override both.

    Args:
        folder: the service's folder.
        servers: what it connects to.
        port: the port that its HTTP endpoints had before; kept if it is free.
    """
    own = {name: value for name, value in os.environ.items() if name not in _FOREIGN}
    said = {**from_file(folder), **own}
    http_port = str(_port(said.get("HTTP_PORT"), port))
    return {
        **own,
        **servers.settings(),
        GRACE: said.get(GRACE) or STOP_SECONDS,
        DRAIN: said.get(DRAIN) or DRAIN_SECONDS,
        "HTTP_HOST": LOOPBACK,
        "HTTP_PORT": http_port,
        "HTTP_INTERNAL_PORT": http_port,  # a gateway also shows its internal endpoints to its developer
        "LOG_FORMAT": "json",
        "PYTHONUNBUFFERED": "1",
    }


def grace_of(variables: Mapping[str, str]) -> float:
    """Return the seconds that a service's running handlers have to finish."""
    try:
        return float(variables[GRACE])
    except ValueError:
        return float(STOP_SECONDS)  # the service rejects it at start


def from_file(folder: Path) -> Mapping[str, str]:
    """Return the values in a service's `.env`; none if it is missing or unreadable, as the service reports."""
    try:
        found = dotenv_values(folder / ENV_FILE, encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError):
        return {}
    return {name: value for name, value in found.items() if value}


def forget_compiled(source: Path) -> None:
    """Remove the bytecode of a source file: Python uses it if time (in seconds) and size are unchanged."""
    Path(cache_from_source(str(source))).unlink(missing_ok=True)


def _port(wanted: str | None, before: int | None) -> int:
    candidates = [int(wanted)] if wanted and wanted.isdecimal() and 0 < int(wanted) < 65_536 else []
    candidates += [before] if before else []
    return next((port for port in candidates if is_free(port)), 0) or free_port()
