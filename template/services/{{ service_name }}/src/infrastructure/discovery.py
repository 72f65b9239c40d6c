"""Where the NATS servers are: as `NATS_URL` lists them, or as Consul knows them."""

from __future__ import annotations

from urllib.parse import urlsplit

import aiohttp
from consul import ConsulException
from consul.aio import Consul

from src.config import Settings

SCHEME = "consul"
LIMIT = 3.0  # seconds that Consul has to answer


async def server_addresses(settings: Settings) -> list[str]:
    """The addresses to connect to, in the order of `NATS_URL`.

    `consul://<service>` stands for every passing instance of that service.

    Raises:
        ConnectionError: Consul could not be asked, or knows no passing instance.
    """
    addresses: list[str] = []
    for url in settings.nats_urls:
        service = urlsplit(url).hostname
        addresses += await _passing(settings, service) if service and is_discovered(url) else [url]
    return addresses


def consul_of(settings: Settings, limit: float) -> Consul:
    """A client of the Consul agent, whose requests take `limit` seconds at most; to be closed."""
    token = settings.CONSUL_TOKEN.get_secret_value() if settings.CONSUL_TOKEN else None
    return Consul(settings.CONSUL_HOST, settings.CONSUL_PORT, token=token, connections_timeout=limit)


def is_discovered(url: str) -> bool:
    """Whether the address has to be looked up."""
    return urlsplit(url).scheme == SCHEME


async def _passing(settings: Settings, service: str) -> list[str]:
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
        _url(instance["Service"]["Address"] or instance["Node"]["Address"], instance["Service"]["Port"])
        for instance in instances
    ]


def _url(host: str, port: int) -> str:
    return f"nats://[{host}]:{port}" if ":" in host else f"nats://{host}:{port}"
