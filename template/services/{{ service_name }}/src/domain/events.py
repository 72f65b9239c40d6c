"""The envelope of events, and the message or request being handled."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import ClassVar, Generic, NamedTuple, Self, TypeVar
from uuid import uuid4

from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import to_json

Data = TypeVar("Data")


class Incoming:
    """A message, request or batch being handled. Logs and outgoing messages carry its correlation id."""

    __slots__ = ()

    @property
    def headers(self) -> Mapping[str, str]:
        """Return its headers."""
        return {}

    @property
    def correlation_id(self) -> str:
        """Return the id shared by everything that follows from it; empty if there is none."""
        return ""

    @property
    def causation_id(self) -> str:
        """Return the id of the message that caused it; empty if there is none."""
        return ""

    def log_fields(self) -> dict[str, object]:
        """Return the fields of every log line, besides correlation and trace."""
        return {}

    def derived_id(self, *content: str | bytes) -> str:
        """Return an id for content that follows from this. A message returns the same id in every attempt."""
        return str(uuid4())


# Set while a handler or an action runs, also for the tasks that it starts and for `asyncio.to_thread`.
current: ContextVar[Incoming | None] = ContextVar("current", default=None)


class Wire(NamedTuple):
    """The payload of a message to send, with the headers that belong to it."""

    payload: bytes
    headers: dict[str, str]


class Envelope(BaseModel):
    """The base class of `Event` and other envelopes around data."""

    READS_HEADERS: ClassVar[bool] = False  # whether message headers contain a part of it

    def wire(self) -> Wire:
        """Return its JSON, without headers."""
        return Wire(self.model_dump_json(by_alias=True).encode(), {})

    @abstractmethod
    def identity(self) -> str:
        """Return a unique id that stays the same when this is sent again."""

    @abstractmethod
    def about(self) -> str:
        """Return the subject that it names; empty if it names none."""

    @abstractmethod
    def made_at(self) -> datetime | None:
        """Return its time of creation; None if it has none."""

    def age(self) -> float | None:
        """Return the seconds since it was created, at least 0 despite clock skew; None if it has no time."""
        made = self.made_at()
        if made is None:
            return None
        made = made if made.tzinfo else made.replace(tzinfo=UTC)
        return max(0.0, (datetime.now(UTC) - made).total_seconds())

    @classmethod
    def read(cls, payload: bytes, headers: Mapping[str, str]) -> Self:
        """Return the envelope in a message.

        Raises:
            ValueError: the message or its data is invalid.
        """
        return cls.model_validate_json(payload)


class Event(Envelope, Generic[Data]):
    """Something that happened to one aggregate.

    On the wire it is JSON: `id`, `type`, `timestamp`, `aggregateId`, `data`. `Event[OrderCreated]` also validates
    `data`.
    """

    model_config = ConfigDict(populate_by_name=True, frozen=True)

    id: str
    type: str
    timestamp: datetime
    # two aliases instead of one: with a single `alias`, type checkers expect it as the constructor's argument
    aggregate_id: str = Field(validation_alias="aggregateId", serialization_alias="aggregateId")
    data: Data

    @classmethod
    def new(cls, type: str, aggregate_id: str, data: Data) -> Event[Data]:
        """Return an event that happens now.

        While a message is handled, the id derives from that message and the arguments. A retried handler creates the
        same event again, so that a stream or an inbox recognizes the duplicate.

        Args:
            type: its subject, such as `orders.order.created`.
            aggregate_id: the aggregate that it happened to.
            data: the content.
        """
        incoming = current.get()
        content = to_json(data, serialize_unknown=True)
        identity = str(uuid4()) if incoming is None else incoming.derived_id(type, aggregate_id, content)
        return cls(id=identity, type=type, timestamp=datetime.now(UTC), aggregate_id=aggregate_id, data=data)

    def identity(self) -> str:
        """Return its id."""
        return self.id

    def about(self) -> str:
        """Return its type."""
        return self.type

    def made_at(self) -> datetime:
        """Return its timestamp."""
        return self.timestamp
