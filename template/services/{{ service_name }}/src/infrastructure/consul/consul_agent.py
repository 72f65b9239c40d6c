"""The Consul agent: how it is spoken to, and what it knows of other services.

Imported only where Consul is used.
"""

from __future__ import annotations

import aiohttp

from src.config import Settings
from src.infrastructure.consul.consul_library import Consul, ConsulException

LIMIT = 3.0  # seconds that Consul has to answer


def consul_of(settings: Settings, limit: float) -> Consul:
    """A client of the Consul agent, whose requests take `limit` seconds at most; to be closed."""
    token = settings.CONSUL_TOKEN.get_secret_value() if settings.CONSUL_TOKEN else None
    address = (settings.CONSUL_HOST, settings.CONSUL_PORT)
    # It is plain HTTP: `verify` would only make a TLS context, which takes two megabytes, and verify nothing.
    return Consul(*address, token=token, verify=False, connections_timeout=limit)


async def passing_instances(settings: Settings, service: str) -> list[tuple[str, int]]:
    """Host and port of every instance of a service whose checks pass.

    Raises:
        ConnectionError: Consul could not be asked, or knows no passing instance.
    """
    where = f"Consul at {settings.CONSUL_HOST}:{settings.CONSUL_PORT}"
    consul = consul_of(settings, LIMIT)
    try:
        _, instances = await consul.health.service(service, passing=True)
    except (aiohttp.ClientError, ConsulException, TimeoutError) as error:
        raise ConnectionError(f"{where} could not be asked for {service}: {error}") from error
    finally:
        await consul.close()
    if not instances:
        raise ConnectionError(f"{where} knows no passing instance of {service}")
    return [
        (instance["Service"]["Address"] or instance["Node"]["Address"], instance["Service"]["Port"])
        for instance in instances
    ]
