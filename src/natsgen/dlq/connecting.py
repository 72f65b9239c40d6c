"""One connection for one command: made at once or not at all, and the work ended as soon as it is lost."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import nats.errors
from nats.aio.client import Client

from natsgen.dlq.addresses import without_secrets
from natsgen.dlq.connection import Connection, said
from natsgen.dlq.settings import Settings
from natsgen.errors import InputError, NatsError

CONNECT_LIMIT = 6.0  # seconds for all servers together
CONNECT_ATTEMPT = 2  # seconds for one of them
CLOSE_LIMIT = 2.0  # seconds; nothing that matters is on its way then
PING_INTERVAL = 3  # seconds; a server that is silent for twice as long is gone

_Result = TypeVar("_Result")


async def with_connection(
    settings: Settings, servers: list[str], work: Callable[[Connection], Coroutine[Any, Any, _Result]]
) -> _Result:
    """Connects, and gives what `work` returns; ends it as soon as the connection fails.

    Raises:
        NatsError: there is no connection, or it is lost, or the server forbids something.
    """
    failed: asyncio.Future[NatsError] = asyncio.get_running_loop().create_future()
    connection = await _connect(settings, servers, failed)
    task = asyncio.create_task(work(connection))
    try:
        either: list[asyncio.Future[Any]] = [task, failed]
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if task.done() and _is_of_connection(task.exception()):
            await asyncio.wait({failed}, timeout=CLOSE_LIMIT)  # the work has heard of a lost connection first
        if failed.done() and not (task.done() and task.exception() is None):
            raise failed.result()  # it also is why the work failed, if it did
        return await task
    finally:
        task.cancel()
        await asyncio.wait({task})
        failed.cancel()
        await asyncio.wait({asyncio.create_task(connection.client.close())}, timeout=CLOSE_LIMIT)


def _is_of_connection(error: BaseException | None) -> bool:
    """Whether work failed by something that may well be the end of the connection."""
    cause = error.__cause__ if error else None
    if isinstance(cause, nats.errors.NoRespondersError | nats.errors.TimeoutError):
        return False
    return isinstance(cause, nats.errors.Error | OSError)


async def _connect(settings: Settings, servers: list[str], failed: asyncio.Future[NatsError]) -> Connection:
    client = Client()
    where = f"NATS at {', '.join(without_secrets(url) for url in servers)}"
    problems: list[Exception] = []

    def fail(message: str) -> None:
        if not failed.done():
            failed.set_result(NatsError(message))

    async def on_error(error: Exception) -> None:
        problems.append(error)
        if "permissions violation" in str(error).lower():
            fail(f"{where} does not permit it: {said(error)} (the guide to dead letters lists what it needs)")

    async def on_closed() -> None:
        fail(f"the connection to {where} was lost{_because(problems)}")

    try:
        tls = _tls(settings)
        credentials: dict[str, Any] = dict(settings.credentials)
        async with asyncio.timeout(CONNECT_LIMIT):
            await client.connect(
                servers=servers,
                name="natsgen dlq",
                inbox_prefix=settings.inbox,
                connect_timeout=CONNECT_ATTEMPT,
                ping_interval=PING_INTERVAL,
                max_outstanding_pings=1,
                allow_reconnect=False,  # a command fails at once, and can be run again
                max_reconnect_attempts=1,  # without it, nats-py tries for ever
                reconnect_time_wait=0,
                error_cb=on_error,
                closed_cb=on_closed,
                tls=tls,
                **credentials,
            )
    except ModuleNotFoundError as error:
        raise NatsError(f"{where}: this address or these credentials need the Python package {error.name}") from error
    except TimeoutError as error:
        raise NatsError(f"{where} does not answer{_because(problems)}{_ADVICE}") from error
    except nats.errors.NoServersError as error:
        raise NatsError(f"{where} cannot be reached{_because(problems)}{_ADVICE}") from error
    except ssl.SSLError as error:
        raise NatsError(f"{where}: no TLS: {said(error)} (NATS_TLS_CA, NATS_TLS_CERT, NATS_TLS_KEY)") from error
    except (nats.errors.Error, OSError) as error:
        advice = _REFUSED if "authorization" in str(error).lower() else _ADVICE
        raise NatsError(f"{where}: {said(error)}{advice}") from error
    except Exception as error:  # credentials are parsed by nats-py and nkeys, each with errors of its own
        raise NatsError(
            f"{where}: the credentials of NATS_CREDS_FILE or NATS_NKEY_SEED_FILE are unusable ({type(error).__name__})"
        ) from error
    return Connection(client, failed)


_ADVICE = "; does it run, and is --server (or NATS_URL) right?"
_REFUSED = (
    "; it takes the credentials that a worker has: NATS_CREDS_FILE, NATS_NKEY_SEED_FILE, NATS_USER and NATS_PASSWORD, "
    "or NATS_TOKEN, from the environment or, with --service, from its .env"
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
            f"NATS_TLS_CA, NATS_TLS_CERT and NATS_TLS_KEY: the certificates cannot be used: {said(error)}"
        ) from error
    return context


def _because(problems: list[Exception]) -> str:
    return f": {said(problems[-1])}" if problems else ""
