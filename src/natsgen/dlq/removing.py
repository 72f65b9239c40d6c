"""Taking a letter out of the stream."""

from __future__ import annotations

from natsgen.dlq.connection import ApiError, Connection
from natsgen.dlq.letters import STREAM
from natsgen.errors import GoneError

_NO_SUCH_SEQUENCE = 10043


async def remove(connection: Connection, number: int) -> None:
    """Removes a letter.

    Raises:
        GoneError: somebody else has removed it.
    """
    try:
        await connection.api(f"STREAM.MSG.DELETE.{STREAM}", {"seq": number, "no_erase": True})
    except ApiError as error:
        if error.error_code == _NO_SUCH_SEQUENCE:
            raise GoneError(f"letter {number} is not in the stream any more") from error
        raise
