"""Where the NATS servers are, and how the service proves who it is."""

from __future__ import annotations

import random
import ssl
from collections.abc import Sequence
from typing import Any
from urllib.parse import unquote, urlsplit

from src.config import Settings


def server_urls(settings: Settings, announced: Sequence[str]) -> list[str]:
    """Return the addresses of `NATS_URL` in random order, then others that the last server announced.

    Args:
        settings: the service's settings.
        announced: `host:port` of each server of the cluster, as far as known.
    """
    urls = settings.nats_urls
    first = urlsplit(urls[0])
    credentials, at, _ = first.netloc.rpartition("@")
    known = {urlsplit(url).netloc.rpartition("@")[2] for url in urls}
    random.shuffle(urls)
    return urls + [f"{first.scheme}://{credentials}{at}{host}" for host in announced if host not in known]


def connect_options(settings: Settings, url: str) -> dict[str, Any]:
    """Return nats-py's options for one server. Files are read for each attempt, so that rotated credentials are used.

    Raises:
        OSError: a certificate, or the file of credentials, cannot be read.
        ValueError: the file of credentials holds none.
    """
    server = urlsplit(url)
    scheme = server.scheme
    schemes = {urlsplit(other).scheme for other in settings.nats_urls}
    if schemes & {"tls", "wss"} or settings.NATS_TLS_CA or settings.NATS_TLS_CERT:  # then no server is used without TLS
        scheme = {"nats": "tls", "ws": "wss"}.get(scheme, scheme)
    options: dict[str, Any] = {
        "servers": [f"{scheme}://{server.netloc.rpartition('@')[2]}"],
        "name": f"{settings.SERVICE_NAME}-{settings.HOSTNAME}",
        # permission to read `_INBOX.>` would reveal everyone's replies
        "inbox_prefix": f"_INBOX_{settings.SERVICE_NAME}",
        "connect_timeout": settings.NATS_CONNECT_TIMEOUT,
        "allow_reconnect": False,  # nats_client.py reconnects
        "max_reconnect_attempts": 1,
        "reconnect_time_wait": 0,
        "pending_size": 16 * 1024 * 1024,
        "flush_timeout": 10.0,  # link_health.py finds out earlier that nothing can be sent
    }
    if file := settings.NATS_CREDS_FILE:
        content = file.read_bytes()
        if b"BEGIN NATS USER JWT" not in content or b"BEGIN USER NKEY SEED" not in content:
            raise ValueError(f"{file} is not a credentials file: it has no JWT or no seed")
        options["user_credentials"] = str(file)
    elif settings.NATS_NKEY_SEED_FILE:
        options["nkeys_seed"] = str(settings.NATS_NKEY_SEED_FILE)
    if settings.NATS_USER and settings.NATS_PASSWORD:
        options |= {"user": settings.NATS_USER, "password": settings.NATS_PASSWORD.get_secret_value()}
    elif settings.NATS_TOKEN:
        options["token"] = settings.NATS_TOKEN.get_secret_value()
    elif server.password is not None:
        options |= {"user": unquote(server.username or ""), "password": unquote(server.password)}
    elif server.username:
        options["token"] = unquote(server.username)
    if settings.NATS_TLS_CA or settings.NATS_TLS_CERT:
        context = ssl.create_default_context(cafile=settings.NATS_TLS_CA)
        if settings.NATS_TLS_CERT:
            context.load_cert_chain(settings.NATS_TLS_CERT, settings.NATS_TLS_KEY)
        options["tls"] = context
    return options
