"""Letters from the stream into a file."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from natsgen.dlq import exhibit
from natsgen.dlq.archive import Record
from natsgen.dlq.connection import Connection
from natsgen.dlq.letters import Summary
from natsgen.dlq.pipeline import IN_FLIGHT, Tally
from natsgen.errors import GoneError


async def export(
    connection: Connection,
    letters: Sequence[Summary],
    tally: Tally,
    write: Callable[[bytes], object],
    progress: Callable[[int], None],
) -> None:
    """Writes the letters as lines, in their order.

    Args:
        connection: to the server.
        letters: which.
        tally: is kept; one whose payload is missing is written without, and counts as failed.
        write: takes the lines of some letters.
        progress: told how many are settled.
    """
    for start in range(0, len(letters), IN_FLIGHT):
        some = letters[start : start + IN_FLIGHT]
        lines = await asyncio.gather(*(_line(connection, one.id, tally) for one in some))
        write(b"".join(lines))
        progress(tally.settled)


async def _line(connection: Connection, number: int, tally: Tally) -> bytes:
    try:
        found = await exhibit.of(connection, number)
    except GoneError:
        tally.gone += 1
        return b""
    if found.payload is None:
        tally.failed[number] = found.problem
    else:
        tally.done += 1
    letter = found.letter
    return Record(letter.id, letter.subject, letter.stored, letter.headers, found.payload).as_line()
