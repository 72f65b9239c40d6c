"""The connection of one command: established without retries, and closed in order on a signal.

Every failure of the server becomes one message.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import ssl
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlsplit

import nats.errors
from nats.aio.client import Client

from natsgen.dlq.headers import Headers, Outgoing
from natsgen.dlq.settings import Settings
from natsgen.errors import InputError, NatsError, StoppedError

API = "$JS.API"
REQUEST_LIMIT = 5.0  # seconds that the server has to answer

_NOT_FOUND = 404


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
        return self.code == _NOT_FOUND


class NoStreamError(NatsError):
    """Raised when no stream captures a subject."""


@dataclass(frozen=True)
class Acknowledged:
    """A publish acknowledgement; `duplicate` if the stream already had the message."""

    stream: str
    sequence: int
    duplicate: bool


class Connection:
    """A connected client. All methods raise `NatsError` if the server does not answer or rejects a request."""

    def __init__(self, client: Client, failed: asyncio.Future[NatsError]) -> None:
        self.client = client
        self.failed = failed  # done when the connection is lost or the server denies permission
        url = client.connected_url
        self.server = without_secrets(url.geturl()) if url else ""

    @property
    def max_payload(self) -> int:
        """The server's limit for one message in bytes, headers included."""
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
        """Publish to a stream, and return its acknowledgement.

        Raises:
            NoStreamError: no stream captures the subject.
        """
        try:
            answer = json.loads(await self._request(subject, payload, Outgoing(headers)))
        except nats.errors.NoRespondersError as error:
            raise NoStreamError(f"no stream captures {subject} at {self.server}") from error
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


CONNECT_LIMIT = 6.0  # seconds for all servers together
CONNECT_ATTEMPT = 2  # seconds for one of them
CLOSE_LIMIT = 2.0  # seconds; nothing important is in flight
PING_INTERVAL = 3  # seconds; a server that is silent for twice as long counts as lost

_Result = TypeVar("_Result")


async def with_connection(settings: Settings, work: Callable[[Connection], Coroutine[Any, Any, _Result]]) -> _Result:
    """Connect, and return the result of `work`, which ends as soon as the connection fails.

    Raises:
        NatsError: connecting fails, the connection is lost, or the server denies permission.
    """
    failed: asyncio.Future[NatsError] = asyncio.get_running_loop().create_future()
    connection = await connect(settings, failed)
    task = asyncio.create_task(work(connection))
    try:
        either: list[asyncio.Future[Any]] = [task, failed]
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if task.done() and _may_be_lost_connection(task.exception()):
            await asyncio.wait({failed}, timeout=CLOSE_LIMIT)  # the work may notice a lost connection first
        if failed.done() and not (task.done() and task.exception() is None):
            raise failed.result()  # also the cause if the work failed
        return await task
    finally:
        while not task.done():  # a cancellation is lost if nats-py's `asyncio.wait_for` has a result at the same time
            task.cancel()
            await asyncio.wait({task}, timeout=CLOSE_LIMIT)
        failed.cancel()
        await asyncio.wait({asyncio.create_task(connection.client.close())}, timeout=CLOSE_LIMIT)


def _may_be_lost_connection(error: BaseException | None) -> bool:
    """Return whether an error may come from a lost connection."""
    cause = error.__cause__ if error else None
    if isinstance(cause, nats.errors.NoRespondersError | nats.errors.TimeoutError):
        return False
    return isinstance(cause, nats.errors.Error | OSError)


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


class Stop:
    """The user's request to stop. Work that must finish what it has started sets `is_graceful`."""

    def __init__(self) -> None:
        self.is_graceful = False
        self._requested = asyncio.Event()

    @property
    def is_requested(self) -> bool:
        """Return whether the user requested a stop."""
        return self._requested.is_set()

    def request(self) -> None:
        """Request a stop: started work finishes, and no new work starts."""
        self._requested.set()

    async def wait(self, limit: float) -> None:
        """Return after `limit` seconds, or as soon as a stop is requested."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._requested.wait(), limit)


def run(
    settings: Settings,
    work: Callable[[Connection, Stop], Coroutine[Any, Any, _Result]],
    *,
    progress_text: Callable[[], str] = lambda: "",
    notify: Callable[[str], None] = lambda _: None,
) -> _Result:
    """Connect, run `work` to its end, and disconnect.

    Args:
        settings: how to connect.
        work: the work. The first signal stops it gracefully if it supports that; the next one at once.
        progress_text: returns the progress of the work, which is added to an error's message.
        notify: receives a message about the effect of the first signal.

    Raises:
        NatsError: NATS cannot be reached or rejects a request.
        StoppedError: the user stopped it.
    """
    try:
        return asyncio.run(_run(settings, work, notify))
    except (NatsError, StoppedError) as error:
        kind = type(error) if isinstance(error, StoppedError) else NatsError
        raise kind("; ".join(filter(None, (str(error), progress_text())))) from error


async def _run(
    settings: Settings,
    work: Callable[[Connection, Stop], Coroutine[Any, Any, _Result]],
    notify: Callable[[str], None],
) -> _Result:
    stop = Stop()
    task = asyncio.create_task(with_connection(settings, lambda connection: work(connection, stop)))

    def interrupt() -> None:
        if stop.is_graceful and not stop.is_requested:
            notify("stopping after the messages in flight; interrupt again to stop at once")
            stop.request()
        else:
            task.cancel()

    with _on_signals(interrupt):
        try:
            return await task
        except asyncio.CancelledError as error:
            raise StoppedError("interrupted") from error


@contextmanager
def _on_signals(interrupt: Callable[[], None]) -> Iterator[None]:
    """Call `interrupt` on a signal instead of raising KeyboardInterrupt; no effect outside the main thread."""
    loop = asyncio.get_running_loop()
    handled: list[tuple[signal.Signals, Any]] = []
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        before = signal.getsignal(number)
        if before not in (signal.SIG_DFL, signal.SIG_IGN, None):
            try:
                loop.add_signal_handler(number, interrupt)
            except (RuntimeError, ValueError):
                break
            handled.append((number, before))
    try:
        yield
    finally:
        for number, before in handled:
            loop.remove_signal_handler(number)
            signal.signal(number, before)
