"""The payloads of letters that are too large for one message: in the object store, under the name that a letter has."""

from __future__ import annotations

import asyncio
import base64
import hashlib

import nats.errors
from nats.js import JetStreamContext
from nats.js.errors import Error, NotFoundError
from nats.js.object_store import ObjectStore

from natsgen.dlq import reading
from natsgen.dlq.connection import REQUEST_LIMIT, Connection
from natsgen.dlq.letters import Letter
from natsgen.errors import LetterError, NatsError

BUCKET = "dlq"
OBJECT_LIMIT = 30.0  # seconds for one payload; nats-py itself would wait for ever for a part that is gone


async def payload_of(connection: Connection, letter: Letter) -> bytes:
    """The payload of a letter, wherever it is.

    Raises:
        LetterError: the object store does not have it.
    """
    if not letter.object:
        return letter.payload
    missing = f"its payload {letter.object!r} is not in the object store {BUCKET}"
    try:
        store = await _bucket(connection)
        async with asyncio.timeout(OBJECT_LIMIT):
            found = await store.get(letter.object)
    except NotFoundError as error:
        raise LetterError(missing) from error
    except TimeoutError as error:
        raise LetterError(f"{missing} in full") from error
    except (nats.errors.Error, Error) as error:
        raise LetterError(f"{missing} as it was: {error}") from error
    return bytes(found.data or b"")


async def put(connection: Connection, name: str, payload: bytes, replicas: int) -> None:
    """Keeps a payload under a name; makes the bucket if there is none, with as many replicas as the stream has.

    Raises:
        LetterError: another payload has the name.
        NatsError: it could not be kept.
    """
    try:
        async with asyncio.timeout(OBJECT_LIMIT):
            try:
                store = await _bucket(connection)
            except NotFoundError:
                store = await _jetstream(connection).create_object_store(BUCKET, replicas=replicas)
            if not await _has(store, name, payload):
                await store.put(name, payload)
    except (nats.errors.Error, Error, TimeoutError) as error:
        raise NatsError(f"the payload {name!r} could not be kept in the object store {BUCKET}: {error}") from error


async def remove_unused(connection: Connection, names: set[str]) -> int:
    """Removes those of the payloads that no letter and no replay in the stream names any more; how many that were."""
    state = await reading.stream_state(connection) if names else None
    if state is None:
        return 0
    used: set[str] = set()
    async for letters in reading.summaries(connection, ">", state.last):
        used.update(letter.object for letter in letters if letter.object)
    removed = 0
    for name in sorted(names - used):
        try:
            await (await _bucket(connection)).delete(name)
        except NotFoundError:
            continue
        except (nats.errors.Error, Error) as error:
            raise NatsError(f"the payload {name!r} could not be removed from the object store: {error}") from error
        removed += 1
    return removed


async def _has(store: ObjectStore, name: str, payload: bytes) -> bool:
    """Whether the store has this payload under the name."""
    try:
        found = await store.get_info(name)
    except NotFoundError:
        return False
    digest = base64.urlsafe_b64encode(hashlib.sha256(payload).digest()).decode()
    if found.digest != f"SHA-256={digest}":
        raise LetterError(f"the object store {BUCKET} has another payload under the name {name!r}")
    return True


async def _bucket(connection: Connection) -> ObjectStore:
    store: ObjectStore = await _jetstream(connection).object_store(BUCKET)
    return store


def _jetstream(connection: Connection) -> JetStreamContext:
    return connection.client.jetstream(timeout=REQUEST_LIMIT)
