"""Payloads that did not fit into a letter: they are where the message was first, in the stream of the original."""

from __future__ import annotations

from natsgen.dlq import headers, reading
from natsgen.dlq.connection import Connection
from natsgen.dlq.headers import Headers
from natsgen.dlq.letters import Letter
from natsgen.errors import GoneError, LetterError

_STREAM, _SEQUENCE, _SUBJECT, _STORED_AT = "Dlq-Stream", "Dlq-Sequence", "Dlq-Subject", "Dlq-Stored-At"
_CLOCK = 1.0  # seconds that two notes of one message's time may differ, as one is rounded


async def payload_of(connection: Connection, letter: Letter) -> bytes:
    """Return the payload of a letter, wherever it is.

    Raises:
        LetterError: it is with the original, which is gone, or the letter does not say where that is.
    """
    return await original(connection, letter.headers) if letter.is_with_original else letter.payload


async def original(connection: Connection, found: Headers) -> bytes:
    """Return the payload of the message that a letter's headers name.

    Raises:
        LetterError: it is gone, or the headers do not say where it is.
    """
    stream, number = headers.first(found, _STREAM), headers.first(found, _SEQUENCE)
    if not stream or not number.isdecimal() or any(character in stream for character in ".*> \t"):
        raise LetterError("its payload is with the original message, and the letter does not say where that is")
    where = f"message {number} of stream {stream}"
    try:
        message = await reading.message(connection, stream, int(number))
    except GoneError as error:
        raise LetterError(f"its payload is gone: it was too large for the letter, and {where} is no more") from error
    subject, stored = headers.first(found, _SUBJECT), headers.first(found, _STORED_AT)
    if (subject and subject != message.subject) or not _is_same_time(stored, message):
        raise LetterError(f"its payload is gone: it was too large for the letter, and {where} is another one now")
    return message.payload


def _is_same_time(stored: str, message: Letter) -> bool:
    """Return whether a message was stored when a letter says so, in epoch seconds; a header can be anyone's."""
    try:
        return not stored or abs(float(stored) - message.stored.timestamp()) <= _CLOCK
    except ValueError:
        return True
