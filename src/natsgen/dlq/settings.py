"""The settings for connecting to NATS: the worker's, read from the same sources in the same order."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from natsgen import messages
from natsgen.errors import InputError

DEFAULT_URL = "nats://localhost:4222"
ENV_FILE = ".env"
SECRETS = ("NATS_URL", "NATS_USER", "NATS_PASSWORD", "NATS_TOKEN")
"""May be set as `X_FILE`, the path of a file with the value; never shown."""

_SCHEMES = {"nats", "tls", "ws", "wss"}


@dataclass(frozen=True)
class Settings:
    """The settings of a connection.

    Attributes:
        servers: the servers' addresses.
        inbox: the prefix of reply subjects; permissions may be limited to it.
        credentials: nats-py's options for credentials, with secrets.
    """

    servers: tuple[str, ...]
    inbox: str
    credentials: Mapping[str, str] = field(default_factory=dict, repr=False)
    tls_ca: Path | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None


def read(server: str | None, environment: Mapping[str, str], folder: Path | None) -> Settings:
    """Return the settings for a command.

    Args:
        server: the value of `--server`, which overrides `NATS_URL`.
        environment: the environment, which overrides files with secrets, which override `.env`.
        folder: the folder of the service whose `.env` is read, if any; paths in it are relative to the folder.

    Raises:
        InputError: a value is invalid; the message names the variable but shows no secret.
    """
    sources = _Sources(environment, folder)
    where, address = ("--server", server) if server is not None else ("NATS_URL", sources.value("NATS_URL"))
    user, password = sources.value("NATS_USER"), sources.value("NATS_PASSWORD")
    cert, key = sources.file("NATS_TLS_CERT"), sources.file("NATS_TLS_KEY")
    creds, seed = sources.file("NATS_CREDS_FILE"), sources.file("NATS_NKEY_SEED_FILE")
    pairs = ((cert, key, "NATS_TLS_CERT and NATS_TLS_KEY"), (user, password, "NATS_USER and NATS_PASSWORD"))
    for one, other, names in pairs:
        if (one is None) != (other is None):
            raise InputError(f"set both or neither of {names}")
    credentials = {
        "user": user,
        "password": password,
        "token": sources.value("NATS_TOKEN"),
        "user_credentials": str(creds) if creds else None,
        "nkeys_seed": str(seed) if seed else None,
    }
    return Settings(
        servers=_addresses(where, DEFAULT_URL if address is None else address),
        inbox=f"_INBOX_{_inbox_name(sources)}",
        credentials={name: value for name, value in credentials.items() if value is not None},
        tls_ca=sources.file("NATS_TLS_CA"),
        tls_cert=cert,
        tls_key=key,
    )


class _Sources:
    """The sources of values; an empty value counts as missing."""

    def __init__(self, environment: Mapping[str, str], folder: Path | None) -> None:
        self._environment = environment
        self._folder = folder
        self._file = _read_env_file(folder / ENV_FILE) if folder else {}

    def value(self, name: str) -> str | None:
        """Return the value of a variable; for a secret, also from its `X_FILE`."""
        if given := self._environment.get(name):
            return given
        if name in SECRETS and (path := self.file(f"{name}_FILE")):
            return _read_secret(f"{name}_FILE", path)
        return self._file.get(name) or None

    def file(self, name: str) -> Path | None:
        """Return the path in a variable, of a readable file."""
        if given := self._environment.get(name):
            path = Path(given)
        elif (found := self._file.get(name)) and self._folder:
            path = self._folder / found
        else:
            return None
        if not (path.is_file() and os.access(path, os.R_OK)):
            raise InputError(f"{name}: invalid path {messages.quote(str(path))}: use the path of a readable file")
        return path


def _read_env_file(file: Path) -> Mapping[str, str]:
    from dotenv import dotenv_values  # as the worker reads it

    if not file.is_file():
        return {}
    try:
        return {name: value for name, value in dotenv_values(file).items() if value}
    except (OSError, ValueError) as error:
        raise InputError(f"{file} cannot be read: {getattr(error, 'strerror', None) or error}") from error


def _read_secret(name: str, path: Path) -> str:
    try:
        secret = path.read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        raise InputError(f"{name}: {path} cannot be read; use a UTF-8 text file") from error
    if not secret:
        raise InputError(f"{name}: {path} is empty; use a file with the value")
    return secret


def _inbox_name(sources: _Sources) -> str:
    """Return the worker's name, if set, because its permissions may be limited to its own inbox."""
    name = sources.value("SERVICE_NAME") or "natsgen"
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else "natsgen"


def _addresses(where: str, text: str) -> tuple[str, ...]:
    # The value is not shown: addresses may contain passwords.
    urls = tuple(url.strip() for url in text.split(",") if url.strip())
    if not urls or not all(_is_address(url) for url in urls):
        raise InputError(f"{where}: invalid address; use nats://host:4222, several separated by commas")
    return urls


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url if "://" in url else f"nats://{url}")
        return parts.scheme in _SCHEMES and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
