"""Deleting letters for good."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from natsgen.dlq.connection import Connection
from natsgen.dlq.letters import Summary
from natsgen.dlq.pipeline import Tally, each
from natsgen.dlq.removing import remove
from natsgen.dlq.session import Stop


async def purge(
    connection: Connection, stop: Stop, letters: Sequence[Summary], tally: Tally, progress: Callable[[int], None]
) -> None:
    """Deletes the letters, oldest first. A payload that is with its original message stays there.

    Raises:
        NatsError: it could not go on; `tally` says how far it came.
        StoppedError: the person stopped it.
    """

    async def purge_one(letter: Summary) -> None:
        await remove(connection, letter.id)

    await each(letters, purge_one, tally, stop, number=lambda one: one.id, progress=progress)
