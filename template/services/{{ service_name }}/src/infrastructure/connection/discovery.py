"""Where the NATS servers are: as `NATS_URL` lists them, or as Consul knows them."""

from __future__ import annotations

from urllib.parse import urlsplit

from src.config import Settings

SCHEME = "consul"


async def server_addresses(settings: Settings) -> list[str]:
    """The addresses to connect to, in the order of `NATS_URL`.

    `consul://<service>` stands for every passing instance of that service.

    Raises:
        ConnectionError: Consul could not be asked, or knows no passing instance.
    """
    addresses: list[str] = []
    for url in settings.nats_urls:
        service = urlsplit(url).hostname
        addresses += await _discovered(settings, service) if service and is_discovered(url) else [url]
    return addresses


def is_discovered(url: str) -> bool:
    """Whether the address has to be looked up."""
    return urlsplit(url).scheme == SCHEME


async def _discovered(settings: Settings, service: str) -> list[str]:
    from src.infrastructure.consul.consul_agent import passing_instances

    return [_url(host, port) for host, port in await passing_instances(settings, service)]


def _url(host: str, port: int) -> str:
    return f"nats://[{host}]:{port}" if ":" in host else f"nats://{host}:{port}"
