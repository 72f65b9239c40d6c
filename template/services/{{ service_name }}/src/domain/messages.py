"""The envelope of plain publishers: a message with its sender and sequence number."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import count
from typing import Generic, TypeVar
from uuid import uuid4

from pydantic import ConfigDict
from pydantic_core import to_json

from src.config import settings
from src.domain.events import Envelope, current

Data = TypeVar("Data")

_numbers = count(1)  # for this process's messages without a given number


class EnvelopeMessage(Envelope, Generic[Data]):
    """A message with its source and its number among that source's messages.

    On the wire it is JSON: `message_id`, `timestamp`, `source`, `sequence`, `data`. `EnvelopeMessage[OrderCreated]`
    also validates `data`.
    """

    model_config = ConfigDict(frozen=True)

    message_id: str
    timestamp: datetime
    source: str
    sequence: int
    data: Data

    @classmethod
    def new(cls, data: Data, *, sequence: int | None = None, source: str | None = None) -> EnvelopeMessage[Data]:
        """Return a message created now.

        While a message is handled, the id derives from that message and the data, so that a retried handler creates the
        same message again. Otherwise it is `<source>-<sequence>` and a few random digits, because a source counts
        from 1 again after a restart, and a stream drops ids that it knows.

        Args:
            data: the content.
            sequence: its number; by default the next one of this process.
            source: the sender; `HOSTNAME` by default.
        """
        source = source or settings.HOSTNAME
        sequence = next(_numbers) if sequence is None else sequence
        incoming = current.get()
        if incoming is None:
            identity = f"{source}-{sequence}-{uuid4().hex[:8]}"
        else:
            identity = incoming.derived_id(source, to_json(data, serialize_unknown=True))
        return cls(message_id=identity, timestamp=datetime.now(UTC), source=source, sequence=sequence, data=data)

    def identity(self) -> str:
        """Return its id."""
        return self.message_id

    def about(self) -> str:
        """Return nothing: it does not name a subject."""
        return ""

    def made_at(self) -> datetime:
        """Return its timestamp."""
        return self.timestamp
