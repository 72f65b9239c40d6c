"""Where the NATS servers are, and how the service proves who it is."""

from __future__ import annotations

import random
import ssl
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from src.config import Settings


async def server_addresses(settings: Settings, announced: Sequence[str]) -> list[str]:
    """Return the addresses of `NATS_URL` in random order, then others that the last server announced.

    Args:
        settings: the service's settings.
        announced: `host:port` of each server of the cluster, as far as known.

    Raises:
        ConnectionError: Consul does not know the servers of a `consul://` address.
    """
    servers: list[str] = []
    for url in settings.nats_urls:
        parts = urlsplit(url)
        if parts.scheme == "consul":
            from src.infrastructure.consul_client import passing_instances  # loads py-consul only where it is needed

            servers += [f"nats://{address}" for address in await passing_instances(settings, parts.hostname or "")]
        else:
            servers.append(url if "://" in url else f"nats://{url}")
    first = urlsplit(servers[0])
    credentials, at, _ = first.netloc.rpartition("@")
    known = {urlsplit(server).netloc.rpartition("@")[2] for server in servers}
    random.shuffle(servers)
    return servers + [f"{first.scheme}://{credentials}{at}{host}" for host in announced if host not in known]


def connect_options(settings: Settings) -> dict[str, Any]:
    """Return nats-py's options. Files are read again for each attempt, so that rotated credentials are used.

    Raises:
        OSError: a certificate, or the file of credentials, cannot be read.
        ValueError: the file of credentials holds none.
    """
    options: dict[str, Any] = {
        "name": f"{settings.SERVICE_NAME}-{settings.HOSTNAME}",
        # permission to read `_INBOX.>` would reveal everyone's replies
        "inbox_prefix": f"_INBOX_{settings.SERVICE_NAME}",
        "connect_timeout": settings.NATS_CONNECT_TIMEOUT,
        "ping_interval": 10,
        "max_outstanding_pings": 2,
        "allow_reconnect": False,  # nats_client.py reconnects
        "max_reconnect_attempts": 1,
        "reconnect_time_wait": 0,
        "pending_size": 16 * 1024 * 1024,
        "flush_timeout": 5.0,
        "user": settings.NATS_USER,
        "password": settings.NATS_PASSWORD and settings.NATS_PASSWORD.get_secret_value(),
        "token": settings.NATS_TOKEN and settings.NATS_TOKEN.get_secret_value(),
        "user_credentials": settings.NATS_CREDS_FILE and str(settings.NATS_CREDS_FILE),
        "nkeys_seed": settings.NATS_NKEY_SEED_FILE and str(settings.NATS_NKEY_SEED_FILE),
    }
    if file := settings.NATS_CREDS_FILE:
        content = file.read_bytes()
        for part in ("BEGIN NATS USER JWT", "BEGIN USER NKEY SEED"):
            if part.encode() not in content:
                raise ValueError(f"{file} is not a credentials file: it has no line with {part}")
    if settings.NATS_TLS_CA or settings.NATS_TLS_CERT:
        context = ssl.create_default_context(cafile=settings.NATS_TLS_CA)
        if settings.NATS_TLS_CERT:
            context.load_cert_chain(settings.NATS_TLS_CERT, settings.NATS_TLS_KEY)
        options["tls"] = context
    return {name: value for name, value in options.items() if value is not None}
