"""What all envelopes have in common: how one is known, sent and read."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import ClassVar, NamedTuple, Self

from pydantic import BaseModel


class Wire(NamedTuple):
    """A message as it travels: its payload, and the headers that belong to that."""

    payload: bytes
    headers: dict[str, str]


class Sendable(ABC):
    """What says itself how it is sent: an envelope, or one form of it.

    `publish` of `src.infrastructure.publisher`, `message.publish` and `nats.publish` all ask it.
    """

    __slots__ = ()

    @abstractmethod
    def wire(self) -> Wire:
        """The message that is sent for it."""

    @abstractmethod
    def identity(self) -> str:
        """What no other has, and the same thing always has, however often it is sent."""

    @abstractmethod
    def about(self) -> str:
        """The subject that it says to be about; empty where it says none."""


class Envelope(BaseModel, Sendable):
    """What travels around data: `Event`, `EnvelopeMessage` or `CloudEvent`."""

    READS_HEADERS: ClassVar[bool] = False  # whether a message's headers hold a part of it

    def wire(self) -> Wire:
        """Its JSON, and no headers."""
        return Wire(self.model_dump_json(by_alias=True).encode(), {})

    @abstractmethod
    def made_at(self) -> datetime | None:
        """When it was made, as it says itself; None where it does not."""

    def age(self) -> float | None:
        """Seconds since it was made, 0 where the clocks of two machines would have it come before that."""
        made = self.made_at()
        if made is None:
            return None
        made = made if made.tzinfo else made.replace(tzinfo=UTC)
        return max(0.0, (datetime.now(UTC) - made).total_seconds())

    @classmethod
    def read(cls, payload: bytes, headers: Mapping[str, str]) -> Self:
        """The envelope in a message.

        Raises:
            ValueError: there is none in it, or its data is not what is asked for.
        """
        return cls.model_validate_json(payload)
