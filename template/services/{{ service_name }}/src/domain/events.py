"""The envelope that events travel in."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Generic, TypeVar
from uuid import uuid4

from pydantic import BaseModel, ConfigDict, Field

Data = TypeVar("Data")


class Event(BaseModel, Generic[Data]):
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

        Args:
            type: its subject, such as `orders.order.created`.
            aggregate_id: what it happened to.
            data: what there is to know about it.
        """
        return cls(id=str(uuid4()), type=type, timestamp=datetime.now(UTC), aggregate_id=aggregate_id, data=data)
