"""One letter with its payload, wherever that is kept, to be shown."""

from __future__ import annotations

from dataclasses import dataclass

from natsgen.dlq import originals, reading
from natsgen.dlq.connection import Connection
from natsgen.dlq.letters import Letter
from natsgen.errors import LetterError


@dataclass(frozen=True)
class Exhibit:
    """A letter and what was in the message.

    Attributes:
        payload: None if it is not there any more; `problem` then says why.
    """

    letter: Letter
    payload: bytes | None
    problem: str = ""


async def of(connection: Connection, number: int) -> Exhibit:
    """The letter of that ID.

    Raises:
        LetterError: there is none.
    """
    letter = await reading.letter(connection, number)
    try:
        return Exhibit(letter, await originals.payload_of(connection, letter))
    except LetterError as error:
        return Exhibit(letter, None, str(error))
