"""Where the NATS servers are: as the settings list them, or as Consul knows them."""

from __future__ import annotations

import http.client
import json
from typing import Any
from urllib.parse import quote, urlsplit

from natsgen.dlq.settings import Settings
from natsgen.errors import NatsError

SCHEME = "consul"
LIMIT = 3.0  # seconds that Consul has to answer
_ANSWER_MAX = 4 * 1024 * 1024  # bytes; an answer holds a few hundred for each instance
_OK = 200


def addresses(settings: Settings) -> list[str]:
    """Return the addresses to connect to; `consul://<service>` stands for every passing instance of that service.

    Raises:
        NatsError: Consul could not be asked, or knows no passing instance.
    """
    found: list[str] = []
    for url in settings.servers:
        parts = urlsplit(url)
        found += _passing(settings, str(parts.hostname)) if parts.scheme == SCHEME else [url]
    return found


def without_secrets(url: str) -> str:
    """Return an address as it may be shown: host and port."""
    parts = urlsplit(url if "://" in url else f"nats://{url}")
    host = f"[{parts.hostname}]" if ":" in str(parts.hostname) else parts.hostname
    return f"{host}:{parts.port or 4222}"


def _passing(settings: Settings, service: str) -> list[str]:
    where = f"Consul at {settings.consul_host}:{settings.consul_port} (CONSUL_HOST, CONSUL_PORT)"
    try:
        status, answer = _ask(settings, service)
    except (OSError, ValueError, http.client.HTTPException) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise NatsError(f"{where} could not be asked for {service}: {reason}") from error
    if status != _OK:
        raise NatsError(f"{where} answered {status} when asked for {service}; does it take a CONSUL_TOKEN?")
    if not answer:
        raise NatsError(f"{where} knows no passing instance of {service}")
    return [_url(one["Service"]["Address"] or one["Node"]["Address"], one["Service"]["Port"]) for one in answer]


def _ask(settings: Settings, service: str) -> tuple[int, Any]:
    connection = http.client.HTTPConnection(settings.consul_host, settings.consul_port, timeout=LIMIT)
    try:
        headers = {"X-Consul-Token": settings.consul_token} if settings.consul_token else {}
        connection.request("GET", f"/v1/health/service/{quote(service, safe='')}?passing=1", headers=headers)
        response = connection.getresponse()
        body = response.read(_ANSWER_MAX)
        return response.status, json.loads(body) if response.status == _OK else None
    finally:
        connection.close()


def _url(host: str, port: int) -> str:
    return f"nats://[{host}]:{port}" if ":" in host else f"nats://{host}:{port}"
