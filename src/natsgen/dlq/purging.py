"""Deleting letters for good, and the payloads that they alone needed."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from natsgen.dlq import objects
from natsgen.dlq.connection import Connection
from natsgen.dlq.letters import Summary
from natsgen.dlq.pipeline import Tally, each
from natsgen.dlq.removing import remove
from natsgen.dlq.session import Stop


async def purge(
    connection: Connection, stop: Stop, letters: Sequence[Summary], tally: Tally, progress: Callable[[int], None]
) -> None:
    """Deletes the letters, oldest first, and then their payloads in the object store.

    Raises:
        NatsError: it could not go on; `tally` says how far it came.
        StoppedError: the person stopped it.
    """
    names: set[str] = set()

    async def purge_one(letter: Summary) -> None:
        await remove(connection, letter.id)
        if letter.object:
            names.add(letter.object)

    try:
        await each(letters, purge_one, tally, stop, number=lambda one: one.id, progress=progress)
    finally:
        if connection.is_usable:  # also after the person stopped it: what is deleted needs no payload
            await objects.remove_unused(connection, names)
