"""The settings: their environment names, defaults and meanings.

Values come from the environment, then from `.env`. A secret `X` can be given as `X_FILE`, the path of a file that holds
it.
"""

from __future__ import annotations

import os
import socket
import sys
import tomllib
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeVar
from urllib.parse import urlsplit

from dotenv import dotenv_values
from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

# pyproject.toml holds the service's name, version and defaults; the image carries it too.
_PYPROJECT = tomllib.loads((Path(__file__).resolve().parent.parent / "pyproject.toml").read_text(encoding="utf-8"))
_PROJECT: dict[str, str] = _PYPROJECT["project"]

SERVICE: dict[str, Any] = _PYPROJECT["tool"]["service"]
VERSION: str = _PROJECT["version"]
DESCRIPTION: str = _PROJECT.get("description", "")
ENV_FILE = ".env"


class ServiceSettings(BaseSettings):
    """The base class of the service's settings: the environment, then files that hold secrets, then `.env`."""

    SECRETS: ClassVar[tuple[str, ...]] = ()  # settings that may come as `X_FILE`, and are not shown in errors

    model_config = SettingsConfigDict(
        env_file=ENV_FILE,
        env_file_encoding="utf-8-sig",
        env_ignore_empty=True,
        extra="ignore",
        case_sensitive=True,
        frozen=True,
        hide_input_in_errors=True,
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Return the sources in the order of their precedence."""
        return init_settings, env_settings, SecretFiles(settings_cls), dotenv_settings


class Settings(ServiceSettings):
    """The worker's configuration, checked once at start."""

    SECRETS: ClassVar[tuple[str, ...]] = ("NATS_URL", "NATS_USER", "NATS_PASSWORD", "NATS_TOKEN", "CONSUL_TOKEN")

    SERVICE_NAME: str = Field(
        _PROJECT["name"],
        pattern=r"^[A-Za-z0-9_-]+$",
        description="Name in Consul, in logs, and prefix of every durable",
    )
    BOUNDED_CONTEXT: str = Field(SERVICE["context"], description="Bounded context, a tag in Consul")
    HOSTNAME: str = Field(default_factory=socket.gethostname, description="Name of this instance")

    NATS_URL: str = Field(
        "nats://localhost:4222", description="Servers, separated by commas; `consul://<service>` asks Consul for them"
    )
    NATS_CONNECT_TIMEOUT: int = Field(2, ge=1, le=60, description="Seconds that one attempt to connect may take")
    NATS_RECONNECT_WAIT: float = Field(2, ge=0.1, le=60, description="Longest pause in seconds between two attempts")
    NATS_CREDS_FILE: Path | None = Field(None, description="Credentials file (JWT and seed)")
    NATS_NKEY_SEED_FILE: Path | None = Field(None, description="File that holds an NKey seed")
    NATS_USER: str | None = Field(None, description="User name")
    NATS_PASSWORD: SecretStr | None = Field(None, description="Password of the user")
    NATS_TOKEN: SecretStr | None = Field(None, description="Token")
    NATS_TLS_CA: Path | None = Field(None, description="Certificate authority to trust (PEM file)")
    NATS_TLS_CERT: Path | None = Field(None, description="Client certificate (PEM file)")
    NATS_TLS_KEY: Path | None = Field(None, description="Key of the client certificate (PEM file)")

    CONSUL_ENABLED: bool = Field(True, description="Whether to register in Consul")
    CONSUL_HOST: str = Field("localhost", description="Host of the Consul agent")
    CONSUL_PORT: int = Field(8500, ge=1, le=65535, description="HTTP port of the Consul agent")
    CONSUL_TOKEN: SecretStr | None = Field(None, description="ACL token")
    CONSUL_TTL: float = Field(30, ge=3, le=86400, description="Seconds without a heartbeat until the check is critical")

    LOG_LEVEL: Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"] = Field(
        "INFO", description="Lowest level that is logged"
    )
    LOG_FORMAT: Literal["auto", "json", "console"] = Field(
        "auto", description="`json`, `console`, or `auto`: console on a terminal, else JSON"
    )

    HTTP_HOST: str = Field("127.0.0.1", description="Address of the HTTP endpoints; the image sets 0.0.0.0")
    HTTP_PORT: int = Field(8080, ge=0, le=65535, description="Port of the HTTP endpoints; 0 takes a free one")

    GRACEFUL_SHUTDOWN_TIMEOUT: float = Field(
        30, gt=0, le=3600, description="Seconds that running handlers have to finish after SIGTERM or SIGINT"
    )
    STREAM_MODE: Literal["create", "verify", "off"] = Field(
        "create",
        description="Missing streams and consumers: `create` them, `verify` and stop, or `off` to take all as it is",
    )
    STREAM_REPLICAS: int = Field(1, ge=1, le=5, description="Replicas of the streams that the worker creates")
    DEDUP: Literal["none", "nats-kv", "redis"] = Field(
        SERVICE["dedup"], description="Where ids of handled messages are kept, so that none is handled twice"
    )

    @property
    def nats_urls(self) -> list[str]:
        """Return the addresses in `NATS_URL`."""
        return [url.strip() for url in self.NATS_URL.split(",") if url.strip()]

    @field_validator("LOG_LEVEL", mode="before")
    @classmethod
    def _level_in_any_case(cls, value: object) -> object:
        return value.upper() if isinstance(value, str) else value

    @field_validator("NATS_URL")
    @classmethod
    def _addresses(cls, value: str) -> str:
        urls = [url.strip() for url in value.split(",") if url.strip()]
        if not urls:
            raise ValueError("takes at least one address such as nats://host:4222")
        schemes = {scheme_of(url if "://" in url else f"nats://{url}") for url in urls}
        if not schemes <= {"nats", "tls", "ws", "wss", "consul"}:
            raise ValueError("takes addresses such as nats://host:4222, comma-separated")
        if schemes & {"ws", "wss"} and schemes - {"ws", "wss"}:
            raise ValueError("takes addresses of one kind: WebSocket (ws, wss) or not")
        return value

    @field_validator("NATS_CREDS_FILE", "NATS_NKEY_SEED_FILE", "NATS_TLS_CA", "NATS_TLS_CERT", "NATS_TLS_KEY")
    @classmethod
    def _readable(cls, value: Path | None) -> Path | None:
        if value is not None and not (value.is_file() and os.access(value, os.R_OK)):
            raise ValueError(f"takes the path of a file that can be read; {value} cannot")
        return value

    @model_validator(mode="after")
    def _pairs(self) -> Settings:
        if (self.NATS_TLS_CERT is None) != (self.NATS_TLS_KEY is None):
            raise ValueError("NATS_TLS_CERT and NATS_TLS_KEY go together: give both or neither")
        if (self.NATS_USER is None) != (self.NATS_PASSWORD is None):
            raise ValueError("NATS_USER and NATS_PASSWORD go together: give both or neither")
        return self


SettingsT = TypeVar("SettingsT", bound=ServiceSettings)


class SecretFiles(PydanticBaseSettingsSource):
    """Reads `X` from the file that `X_FILE` names, as Docker and Kubernetes provide secrets."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Return nothing: the base class requires this method, and `__call__` does the work."""
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        """Return the secrets found.

        Raises:
            BadSettings: a file cannot be read, or is empty.
        """
        known = {**dotenv_values(ENV_FILE, encoding="utf-8-sig"), **os.environ}
        found: dict[str, Any] = {}
        kind: type[ServiceSettings] = self.settings_cls  # type: ignore[assignment]
        for name in kind.SECRETS:
            if not (path := known.get(f"{name}_FILE")):
                continue
            try:
                secret = Path(path).read_text(encoding="utf-8-sig").strip()
            except (OSError, UnicodeDecodeError) as error:
                raise BadSettings(
                    [f"{name}_FILE: {path!r} cannot be read ({error}); it takes the path of a text file"]
                ) from error
            if not secret:
                raise BadSettings([f"{name}_FILE: {path!r} is empty; it takes the path of a file with the value"])
            found[name] = secret
        return found


def scheme_of(url: str) -> str:
    """Return the scheme of an address with a valid host and port; empty if the address is invalid."""
    try:
        parts = urlsplit(url)
        usable = bool(parts.hostname) and parts.port != 0 and url.startswith(f"{parts.scheme}://")
    except ValueError:
        usable = False
    return parts.scheme if usable else ""


class BadSettings(Exception):
    """Raised for settings that the worker cannot start with; `lines` has one line for each."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines


def read_settings(kind: type[SettingsT]) -> SettingsT:
    """Return the settings of this kind from the environment.

    Raises:
        BadSettings: a value is invalid.
    """
    try:
        return kind()
    except UnicodeDecodeError as error:
        raise BadSettings([f"{ENV_FILE}: it is not UTF-8 ({error}); save it in that encoding"]) from error
    except ValidationError as error:
        raise BadSettings([_explained(kind, dict(problem)) for problem in error.errors()]) from error


def _explained(kind: type[ServiceSettings], problem: dict[str, Any]) -> str:
    """Return one line: the variable, its value, and what it takes."""
    takes = str(problem["msg"]).removeprefix("Value error, ")
    takes = takes[0].lower() + takes[1:] if not takes.startswith("NATS_") else takes
    if not problem["loc"]:
        return takes
    name = str(problem["loc"][0])
    secret = name in kind.SECRETS
    got = (
        "its value (not shown)"
        if secret
        else repr(os.environ.get(name) or dotenv_values(ENV_FILE, encoding="utf-8-sig").get(name))
    )
    meaning = kind.model_fields[name].description
    return f"{name}: got {got}; {takes}{f' ({meaning})' if meaning else ''}"


def load(kind: type[SettingsT]) -> SettingsT:
    """Return the settings of this kind, or exit with a line for each invalid value."""
    try:
        return read_settings(kind)
    except BadSettings as error:
        for line in error.lines:
            print(f"invalid setting {line}", file=sys.stderr)
        raise SystemExit(2) from None


settings = load(Settings)
