"""The envelope of plain publishers: who sent it, and the how-manieth it is."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import count
from typing import Generic, TypeVar
from uuid import uuid4

from pydantic import ConfigDict
from pydantic_core import to_json

from src.config import settings
from src.domain.envelope import Envelope
from src.infrastructure.handling.context import current_message

Data = TypeVar("Data")

_made = count(1)  # what this process has made, where nobody counts otherwise


class EnvelopeMessage(Envelope, Generic[Data]):
    """A message with its source and its place in what that source sends.

    On the wire it is JSON: `message_id`, `timestamp`, `source`, `sequence`, `data`. `EnvelopeMessage[OrderCreated]`
    validates `data` as well.
    """

    model_config = ConfigDict(frozen=True)

    message_id: str
    timestamp: datetime
    source: str
    sequence: int
    data: Data

    @classmethod
    def new(cls, data: Data, *, sequence: int | None = None, source: str | None = None) -> EnvelopeMessage[Data]:
        """A message that is made now, with an id of its own.

        Made while a message is handled, the id follows from that message and from the data, so that a handler that is
        tried again makes the same one. Else it is `<source>-<sequence>` and a few random digits: a source counts from 1
        again when it starts, and a stream drops what has an id that it knows.

        Args:
            data: what there is to say.
            sequence: its number; the next one of this process unless given.
            source: who sends it; `HOSTNAME` unless given.
        """
        source = source or settings.HOSTNAME
        sequence = next(_made) if sequence is None else sequence
        handled = current_message.get()
        if handled is None:
            identity = f"{source}-{sequence}-{uuid4().hex[:8]}"
        else:
            identity = handled.derived_id(source, to_json(data, serialize_unknown=True))
        return cls(message_id=identity, timestamp=datetime.now(UTC), source=source, sequence=sequence, data=data)

    def identity(self) -> str:
        """Its id."""
        return self.message_id

    def about(self) -> str:
        """None: it does not say."""
        return ""

    def made_at(self) -> datetime:
        """Its timestamp."""
        return self.timestamp
