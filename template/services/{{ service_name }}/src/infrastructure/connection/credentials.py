"""How the worker proves who it is to NATS, and whom it trusts."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

from src.config import Settings


def credentials(settings: Settings) -> dict[str, Any]:
    """What nats-py's `connect` takes to prove who this is and to trust the server.

    Raises:
        OSError: a certificate, or the file of credentials, cannot be read.
        ValueError: the file of credentials has none.
    """
    if settings.NATS_CREDS_FILE:
        _check_creds(settings.NATS_CREDS_FILE)
    given: dict[str, Any] = {
        "user": settings.NATS_USER,
        "password": None if settings.NATS_PASSWORD is None else settings.NATS_PASSWORD.get_secret_value(),
        "token": None if settings.NATS_TOKEN is None else settings.NATS_TOKEN.get_secret_value(),
        "user_credentials": settings.NATS_CREDS_FILE and str(settings.NATS_CREDS_FILE),
        "nkeys_seed": settings.NATS_NKEY_SEED_FILE and str(settings.NATS_NKEY_SEED_FILE),
    }
    if settings.NATS_TLS_CA or settings.NATS_TLS_CERT:
        context = ssl.create_default_context(cafile=settings.NATS_TLS_CA)
        if settings.NATS_TLS_CERT:
            context.load_cert_chain(settings.NATS_TLS_CERT, settings.NATS_TLS_KEY)
        given["tls"] = context
    return {name: value for name, value in given.items() if value is not None}


def _check_creds(file: Path) -> None:
    """nats-py reads the file only when a server asks for credentials, and then every time that it reconnects."""
    content = file.read_bytes()
    for part in (b"BEGIN NATS USER JWT", b"BEGIN USER NKEY SEED"):
        if part not in content:
            raise ValueError(f"{file} is no file of credentials: it has no line with {part.decode()}")
