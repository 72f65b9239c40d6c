"""The settings: their environment names, defaults and meanings.

Values come from the environment, then from `.env`. A secret `X` can be given as `X_FILE`, the path of a file with its
value.
"""

from __future__ import annotations

import json
import os
import re
import socket
import sys
import tomllib
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self, TypeVar
from urllib.parse import unquote, urlsplit

from dotenv import dotenv_values
from pydantic import BeforeValidator, Field, FilePath, SecretStr, ValidationError, model_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict

# pyproject.toml holds the service's name, version and defaults; the image carries it too.
_PYPROJECT = tomllib.loads((Path(__file__).resolve().parent.parent / "pyproject.toml").read_text(encoding="utf-8"))
_PROJECT: dict[str, str] = _PYPROJECT["project"]

SERVICE: dict[str, Any] = _PYPROJECT["tool"]["service"]
VERSION: str = _PROJECT["version"]
DESCRIPTION: str = _PROJECT.get("description", "")
ENV_FILE = ".env"

SHORTEST_SECRET = 4  # characters; to hide less would make logs unreadable
_secrets: list[str] = []  # what nobody may read in a log or a dead letter: the values of settings, longest first


def redacted(text: str) -> str:
    """Return a text without the values of the settings that are secret."""
    for secret in _secrets:
        text = text.replace(secret, "[secret]")
    return text


class ServiceSettings(BaseSettings):
    """The base class of the service's settings; `load` reads them."""

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

    def model_post_init(self, _: Any) -> None:
        """Make `redacted` hide the secrets, and the passwords in addresses."""
        for value in (getattr(self, name) for name in self.SECRETS):
            text = value.get_secret_value() if isinstance(value, SecretStr) else value or ""
            found = re.findall(r"://[^/@]*:([^/@]+)@", text) + ([text] if isinstance(value, SecretStr) else [])
            for secret in {*found, *map(unquote, found)}:
                if len(secret) >= SHORTEST_SECRET:
                    _secrets.extend({secret, json.dumps(secret, ensure_ascii=False)[1:-1]}.difference(_secrets))
        _secrets.sort(key=len, reverse=True)

    @classmethod
    def secrets_in_files(cls) -> dict[str, str]:
        """Return each secret `X` from the file that `X_FILE` names, as Docker and Kubernetes provide secrets.

        Raises:
            ValueError: a file cannot be read, or is empty.
        """
        known = {**dotenv_values(ENV_FILE, encoding="utf-8-sig"), **os.environ}
        found = {}
        for name in cls.SECRETS:
            if (path := known.get(f"{name}_FILE")) and not os.environ.get(name):
                try:
                    found[name] = Path(path).read_text(encoding="utf-8-sig").strip()
                except (OSError, UnicodeDecodeError) as error:
                    raise ValueError(f"{name}_FILE: {path!r} cannot be read ({error})") from error
                if not found[name]:
                    raise ValueError(f"{name}_FILE: {path!r} is empty; it takes the path of a file with the value")
        return found

    def refreshed(self) -> Self:
        """Return these settings with the secrets that their files hold now.

        Raises:
            ValueError: a file cannot be read, or is empty.
        """
        secrets = self.secrets_in_files()
        return type(self)(**{**dict(self), **secrets}) if secrets else self


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
        "nats://localhost:4222", description="Servers, separated by commas; with `tls://` or a CA, never without TLS"
    )
    NATS_CONNECT_TIMEOUT: int = Field(2, ge=1, le=60, description="Time limit of one attempt to connect, in seconds")
    NATS_RECONNECT_WAIT: float = Field(2, ge=0.1, le=60, description="Longest pause in seconds between two attempts")
    NATS_CREDS_FILE: FilePath | None = Field(None, description="Credentials file (JWT and seed)")
    NATS_NKEY_SEED_FILE: FilePath | None = Field(None, description="File with an NKey seed")
    NATS_USER: str | None = Field(None, description="User name")
    NATS_PASSWORD: SecretStr | None = Field(None, description="Password of the user")
    NATS_TOKEN: SecretStr | None = Field(None, description="Token")
    NATS_TLS_CA: FilePath | None = Field(None, description="Certificate authority to trust (PEM file)")
    NATS_TLS_CERT: FilePath | None = Field(None, description="Client certificate (PEM file)")
    NATS_TLS_KEY: FilePath | None = Field(None, description="Key of the client certificate (PEM file)")

    NATS_JS_DOMAIN: str | None = Field(None, pattern=r"^[^\s.*>]+$", description="JetStream domain, as of a leaf node")
    NATS_JS_API_PREFIX: str = Field("$JS.API", description="Prefix of the JetStream API, such as an imported account's")

    CONSUL_ENABLED: bool = Field(True, description="Whether to register in Consul")
    CONSUL_HOST: str = Field("localhost", description="Host of the Consul agent")
    CONSUL_PORT: int = Field(8500, ge=1, le=65535, description="HTTP port of the Consul agent")
    CONSUL_TOKEN: SecretStr | None = Field(None, description="ACL token")
    CONSUL_TTL: float = Field(30, ge=3, le=86400, description="Seconds without a heartbeat until the check is critical")

    LOG_LEVEL: Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"], BeforeValidator(str.upper)] = Field(
        "INFO", description="Minimum log level"
    )
    LOG_FORMAT: Literal["auto", "json", "console"] = Field(
        "auto", description="`json`, `console`, or `auto`: console on a terminal, else JSON"
    )

    HTTP_HOST: str = Field("127.0.0.1", description="Address of the HTTP endpoints; the image sets 0.0.0.0")
    HTTP_PORT: int = Field(8080, ge=0, le=65535, description="Port of the HTTP endpoints; 0 chooses a free one")

    GRACEFUL_SHUTDOWN_TIMEOUT: float = Field(
        30, gt=0, le=3600, description="Seconds that running handlers have to finish after SIGTERM or SIGINT"
    )
    STREAM_MODE: Literal["create", "verify", "off"] = Field(
        "create",
        description="Streams and consumers: `create` missing ones, `verify` and stop, or `off` to use them as they are",
    )
    STREAM_REPLICAS: int = Field(1, ge=1, le=5, description="Replicas of the streams that the worker creates")
    DEDUP: Literal["none", "nats-kv", "redis"] = Field(
        SERVICE["dedup"], description="Store of the ids of handled messages, so that none is handled twice"
    )

    @property
    def nats_urls(self) -> list[str]:
        """Return the addresses in `NATS_URL`."""
        urls = [url.strip() for url in self.NATS_URL.split(",")]
        return [url if "://" in url else f"nats://{url}" for url in urls if url]

    @property
    def js_api_prefix(self) -> str:
        """Return what the subjects of the JetStream API begin with."""
        return f"$JS.{self.NATS_JS_DOMAIN}.API" if self.NATS_JS_DOMAIN else self.NATS_JS_API_PREFIX

    @model_validator(mode="after")
    def _check_combinations(self) -> Self:
        schemes = {scheme_of(url) for url in self.nats_urls}
        if not schemes or not (schemes <= {"nats", "tls"} or schemes <= {"ws", "wss"}):
            raise ValueError("NATS_URL takes addresses such as nats://host:4222, comma-separated; all or none are ws")
        for one, other in (("NATS_TLS_CERT", "NATS_TLS_KEY"), ("NATS_USER", "NATS_PASSWORD")):
            if (getattr(self, one) is None) != (getattr(self, other) is None):
                raise ValueError(f"{one} and {other} go together: give both or neither")
        return self


SettingsT = TypeVar("SettingsT", bound=ServiceSettings)


def scheme_of(url: str) -> str:
    """Return the scheme of an address with a valid host and port; empty if the address is invalid."""
    try:
        parts = urlsplit(url)
        usable = bool(parts.hostname) and parts.port != 0 and url.startswith(f"{parts.scheme}://")
    except ValueError:
        usable = False
    return parts.scheme if usable else ""


def _explained(kind: type[ServiceSettings], problem: ErrorDetails) -> str:
    """Return one line: the variable, what it takes, and its value."""
    takes = problem["msg"].removeprefix("Value error, ")
    if not problem["loc"]:
        return takes
    name = str(problem["loc"][0])
    got = "a value that is not shown" if name in kind.SECRETS else repr(problem["input"])
    return f"{name}: {takes}; got {got}"


def load(kind: type[SettingsT]) -> SettingsT:
    """Return the settings of this kind, or exit with a line for each invalid value.

    They come from the environment, then from files that hold secrets, then from `.env`.
    """
    try:
        return kind(**kind.secrets_in_files())
    except ValidationError as error:
        problems = [_explained(kind, problem) for problem in error.errors()]
    except UnicodeDecodeError as error:
        problems = [f"{ENV_FILE}: it is not UTF-8 ({error}); save it in that encoding"]
    except ValueError as error:
        problems = [str(error)]
    for problem in problems:
        print(f"invalid setting {problem}", file=sys.stderr)
    raise SystemExit(2)


settings = load(Settings)
