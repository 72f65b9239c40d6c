"""The letters that a command is about, found by ID or by what they have in common."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from natsgen.dlq import reading
from natsgen.dlq.connection import Connection
from natsgen.dlq.letters import STREAM, Summary
from natsgen.dlq.pipeline import IN_FLIGHT
from natsgen.dlq.reading import StreamState
from natsgen.dlq.selection import Selection
from natsgen.errors import InputError


@dataclass(frozen=True)
class Chosen:
    """What was found.

    Attributes:
        server: where.
        selection: what they had to fit.
        state: of the stream, when the search began; None if there is no stream.
        letters: oldest first.
    """

    server: str
    selection: Selection
    state: StreamState | None
    letters: Sequence[Summary]


async def choose(
    connection: Connection, selection: Selection, ids: Sequence[int], progress: Callable[[int, int], None]
) -> Chosen:
    """Finds letters.

    Args:
        connection: to the server.
        selection: what they must fit.
        ids: those wanted; none for all that fit.
        progress: told how many were read, and of how many.

    Raises:
        LetterError: an ID is no letter's.
        InputError: a letter of an ID does not fit.
    """
    state = await reading.stream_state(connection)
    if ids:
        return Chosen(connection.server, selection, state, await _by_ids(connection, selection, sorted(set(ids))))
    letters: list[Summary] = []
    if state is not None:
        read, totals = 0, [0]
        async for batch in reading.summaries(connection, selection.subject, state.last, totals.append):
            letters += [letter for letter in batch if selection.takes(letter)]
            read += len(batch)
            progress(read, totals[-1])
    return Chosen(connection.server, selection, state, letters)


async def _by_ids(connection: Connection, selection: Selection, ids: Sequence[int]) -> list[Summary]:
    found: list[Summary] = []
    for start in range(0, len(ids), IN_FLIGHT):
        letters = await asyncio.gather(*(reading.letter(connection, one) for one in ids[start : start + IN_FLIGHT]))
        found += [letter.summary() for letter in letters]
    if stranger := next((letter for letter in found if not selection.takes(letter)), None):
        raise InputError(
            f"letter {stranger.id} of stream {STREAM} ({stranger.subject}) is not one that the other options choose"
        )
    return found
