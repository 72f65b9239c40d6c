"""The envelope that events travel in."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Generic, TypeVar
from uuid import uuid4

from pydantic import ConfigDict, Field
from pydantic_core import to_json

from src.domain.envelope import Envelope
from src.infrastructure.handling.context import current_message

Data = TypeVar("Data")


class Event(Envelope, Generic[Data]):
    """Something that happened to one aggregate.

    On the wire it is JSON: `id`, `type`, `timestamp`, `aggregateId`, `data`. `Event[OrderCreated]` validates
    `data` as well.
    """

    model_config = ConfigDict(populate_by_name=True, frozen=True)

    id: str
    type: str
    timestamp: datetime
    # two aliases, not one: type checkers would want a single `alias` as the constructor's argument
    aggregate_id: str = Field(validation_alias="aggregateId", serialization_alias="aggregateId")
    data: Data

    @classmethod
    def new(cls, type: str, aggregate_id: str, data: Data) -> Event[Data]:
        """An event that happens now, with an id of its own.

        Made while a message is handled, the id follows from that message and from what is given here: a handler that
        is tried again makes the same event again, and a stream or an inbox knows it.

        Args:
            type: its subject, such as `orders.order.created`.
            aggregate_id: what it happened to.
            data: what there is to know about it.
        """
        message = current_message.get()
        content = to_json(data, serialize_unknown=True)
        identity = str(uuid4()) if message is None else message.derived_id(type, aggregate_id, content)
        return cls(id=identity, type=type, timestamp=datetime.now(UTC), aggregate_id=aggregate_id, data=data)

    def identity(self) -> str:
        """Its id."""
        return self.id

    def about(self) -> str:
        """Its type."""
        return self.type

    def made_at(self) -> datetime:
        """Its timestamp."""
        return self.timestamp
