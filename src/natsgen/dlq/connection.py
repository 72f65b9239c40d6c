"""The connection of one command, established without retries. Every failure of the server becomes one message."""

from __future__ import annotations

import asyncio
import json
import os
import ssl
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import nats.errors
from nats.aio.client import Client

from natsgen.dlq.headers import Headers, Outgoing
from natsgen.dlq.settings import Settings
from natsgen.errors import InputError, NatsError

API = "$JS.API"
REQUEST_LIMIT = 5.0  # seconds that the server has to answer
CONNECT_LIMIT = 6.0  # seconds for all servers together
CONNECT_ATTEMPT = 2  # seconds for one of them
PING_INTERVAL = 3  # seconds; a server that is silent for twice as long counts as lost


class ApiError(NatsError):
    """Raised when JetStream rejects a request.

    Attributes:
        code: an HTTP status code.
        error_code: JetStream's error code.
    """

    def __init__(self, verb: str, error: dict[str, Any]) -> None:
        super().__init__(f"JetStream rejected {verb}: {error.get('description', 'no reason given')}")
        self.code = int(error.get("code", 0))
        self.error_code = int(error.get("err_code", 0))

    @property
    def is_not_found(self) -> bool:
        """Return whether the requested object does not exist."""
        return self.code == 404


@dataclass(frozen=True)
class Acknowledged:
    """A publish acknowledgement; `duplicate` if the stream already had the message."""

    stream: str
    sequence: int
    duplicate: bool


class Connection:
    """A connected client.

    All methods raise `NatsError` if the server does not answer or rejects a request, or no stream captures a subject.
    """

    def __init__(self, client: Client, failed: asyncio.Future[NatsError]) -> None:
        self.client = client
        self.failed = failed  # done when the connection is lost or the server denies permission
        url = client.connected_url
        self.server = without_secrets(url.geturl()) if url else ""

    @property
    def max_payload(self) -> int:
        """Return the server's limit for one message in bytes, headers included."""
        return self.client.max_payload

    async def api(self, verb: str, request: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return JetStream's answer to a request such as `STREAM.INFO.DLQ`.

        Raises:
            ApiError: JetStream rejected the request.
        """
        payload = json.dumps(request).encode() if request is not None else b""
        try:
            answer = await self._request(f"{API}.{verb}", payload)
        except nats.errors.NoRespondersError as error:
            raise NatsError(f"JetStream is not enabled at {self.server}, or not for this account") from error
        document: dict[str, Any] = json.loads(answer)
        if "error" in document:
            raise ApiError(verb, document["error"])
        return document

    async def publish(self, subject: str, payload: bytes, headers: Headers) -> Acknowledged:
        """Publish to a stream, and return its acknowledgement."""
        try:
            answer = json.loads(await self._request(subject, payload, Outgoing(headers)))
        except nats.errors.NoRespondersError as error:
            raise NatsError(f"no stream captures {subject} at {self.server}") from error
        except ValueError as error:
            raise NatsError(f"the answer on {subject} is not a publish acknowledgement") from error
        if not isinstance(answer, dict) or not ("error" in answer or answer.get("stream")):
            raise NatsError(f"the answer on {subject} is not a publish acknowledgement")
        if "error" in answer:
            raise NatsError(f"the stream rejected {subject}: {answer['error'].get('description')}")
        return Acknowledged(str(answer["stream"]), int(answer.get("seq", 0)), bool(answer.get("duplicate")))

    async def _request(self, subject: str, payload: bytes, headers: Outgoing | None = None) -> bytes:
        try:
            return (await self.client.request(subject, payload, timeout=REQUEST_LIMIT, headers=headers)).data
        except nats.errors.NoRespondersError:
            raise
        except nats.errors.TimeoutError as error:
            raise NatsError(f"NATS at {self.server} did not answer within {REQUEST_LIMIT:g} s") from error
        except (nats.errors.Error, OSError) as error:
            if not self.client.is_connected:
                raise NatsError(f"the connection to NATS at {self.server} was lost: {error_text(error)}") from error
            raise NatsError(f"NATS at {self.server}: {error_text(error)}") from error


def without_secrets(url: str) -> str:
    """Return the host and port of an address, which are safe to show."""
    parts = urlsplit(url if "://" in url else f"nats://{url}")
    host = f"[{parts.hostname}]" if ":" in str(parts.hostname) else parts.hostname
    return f"{host}:{parts.port or 4222}"


def error_text(error: BaseException) -> str:
    """Return the text of an error, without nats-py's prefix."""
    if isinstance(error, OSError) and (error.errno or 0) > 0:
        return os.strerror(error.errno or 0)  # asyncio's text repeats the address
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(str(text).removeprefix("nats: ").replace("'", "").split())


async def connect(settings: Settings, failed: asyncio.Future[NatsError], **options: Any) -> Connection:
    """Connect within `CONNECT_LIMIT`.

    Args:
        settings: how to connect.
        failed: gets the error if the connection is lost or the server denies permission.
        options: options of nats-py that replace those of a command.

    Raises:
        NatsError: the server does not answer, or rejects the credentials.
    """
    client = Client()
    where = f"NATS at {', '.join(without_secrets(url) for url in settings.servers)}"
    problems: list[Exception] = []

    def fail(message: str) -> None:
        if not failed.done():
            failed.set_result(NatsError(message))

    async def on_error(error: Exception) -> None:
        problems.append(error)
        if "permissions violation" in str(error).lower():
            fail(f"{where} denied permission: {error_text(error)} (the guide to dead letters lists what it needs)")

    async def on_closed() -> None:
        fail(f"the connection to {where} was lost{_because(problems)}")

    try:
        tls = _tls(settings)
        credentials: dict[str, Any] = dict(settings.credentials)
        async with asyncio.timeout(CONNECT_LIMIT):
            await client.connect(
                servers=list(settings.servers),
                inbox_prefix=settings.inbox,
                connect_timeout=CONNECT_ATTEMPT,
                allow_reconnect=False,  # a command fails at once and can be repeated
                max_reconnect_attempts=1,  # without it, nats-py retries forever
                reconnect_time_wait=0,
                error_cb=on_error,
                closed_cb=on_closed,
                tls=tls,
                **{"name": "natsgen dlq", "ping_interval": PING_INTERVAL, "max_outstanding_pings": 1, **options},
                **credentials,
            )
    except ModuleNotFoundError as error:
        raise NatsError(f"{where}: this address or credential needs the Python package {error.name}") from error
    except TimeoutError as error:
        raise NatsError(f"{where} does not answer{_because(problems)}{_ADVICE}") from error
    except nats.errors.NoServersError as error:
        raise NatsError(f"{where} cannot be reached{_because(problems)}{_ADVICE}") from error
    except ssl.SSLError as error:
        raise NatsError(f"{where}: TLS: {error_text(error)} (NATS_TLS_CA, NATS_TLS_CERT, NATS_TLS_KEY)") from error
    except (nats.errors.Error, OSError) as error:
        advice = _REFUSED if "authorization" in str(error).lower() else _ADVICE
        raise NatsError(f"{where}: {error_text(error)}{advice}") from error
    except Exception as error:  # nats-py and nkeys parse credentials, each with other errors
        raise NatsError(
            f"{where}: invalid credentials in NATS_CREDS_FILE or NATS_NKEY_SEED_FILE ({type(error).__name__})"
        ) from error
    return Connection(client, failed)


_ADVICE = "; check that it is running, and check --server or NATS_URL"
_REFUSED = (
    "; set a worker's credentials: NATS_CREDS_FILE, NATS_NKEY_SEED_FILE, NATS_USER and NATS_PASSWORD, or NATS_TOKEN, "
    "in the environment or, with --service, in its .env"
)


def _tls(settings: Settings) -> ssl.SSLContext | None:
    if not (settings.tls_ca or settings.tls_cert):
        return None
    try:
        context = ssl.create_default_context(cafile=settings.tls_ca)
        if settings.tls_cert:
            context.load_cert_chain(settings.tls_cert, settings.tls_key)
    except OSError as error:
        raise InputError(
            f"NATS_TLS_CA, NATS_TLS_CERT and NATS_TLS_KEY: the certificates cannot be used: {error_text(error)}"
        ) from error
    return context


def _because(problems: list[Exception]) -> str:
    return f": {error_text(problems[-1])}" if problems else ""
