"""The inbox: remembers which messages were handled, so that a redelivery is not handled twice.

A message is claimed for a short time, handled, marked as done, and only then acknowledged. A claim whose worker died
frees itself. `DEDUP` chooses where that is kept.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import Protocol

from src.config import Settings
from src.infrastructure.errors import ConfigurationError
from src.infrastructure.nats_client import NatsClient


class Claim(Enum):
    """What a claim found."""

    TAKEN = auto()  # it is this worker's to handle
    HELD = auto()  # somebody handles it right now
    DONE = auto()  # it has been handled


class Inbox(Protocol):
    """Where claims and finished ids are kept. Every method but `close` raises when the store cannot be reached."""

    async def claim(self, key: str, lease: float) -> Claim:
        """Claims a message for `lease` seconds."""

    async def renew(self, key: str, lease: float) -> None:
        """Has a claim end `lease` seconds from now, if it still is this worker's."""

    async def done(self, key: str) -> None:
        """Remembers for `DEDUP_TTL` that the message was handled."""

    async def release(self, key: str) -> None:
        """Gives up a claim, so that the next attempt need not wait for its end."""

    async def close(self) -> None:
        """Lets go of connections."""


def inbox_for(settings: Settings, nats: NatsClient) -> Inbox | None:
    """The inbox that `DEDUP` asks for.

    Raises:
        ConfigurationError: the package for it is not installed.
    """
    match settings.DEDUP:
        case "none":
            return None
        case "nats-kv":
            from src.infrastructure.handling.kv_inbox import KvInbox

            return KvInbox(nats, settings)
        case "redis":
            try:
                from src.infrastructure.handling.redis_inbox import RedisInbox
            except ModuleNotFoundError as error:
                raise ConfigurationError(
                    "DEDUP=redis needs the package redis: add it to the dependencies in pyproject.toml and pin it "
                    "in requirements.txt"
                ) from error
            return RedisInbox(settings.REDIS_URL.get_secret_value(), settings.SERVICE_NAME, settings.DEDUP_TTL)
