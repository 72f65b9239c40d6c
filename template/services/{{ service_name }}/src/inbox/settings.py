"""The settings of the inbox."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, SecretStr, field_validator

from src.config import ServiceSettings, scheme_of


class InboxSettings(ServiceSettings):
    """Where handled messages are remembered, and for how long."""

    SECRETS: ClassVar[tuple[str, ...]] = ("REDIS_URL",)

    DEDUP_TTL: float = Field(
        default=86400, ge=1, le=31_536_000, description="Seconds that the id of a handled message is kept"
    )
    DEDUP_UNAVAILABLE: Literal["wait", "handle"] = Field(
        default="wait",
        description="If the store is unavailable: `wait` delays messages, `handle` processes them, possibly twice",
    )
    REDIS_URL: SecretStr = Field(default=SecretStr("redis://localhost:6379/0"), description="Redis, for `DEDUP=redis`")

    @field_validator("REDIS_URL")
    @classmethod
    def _redis_address(cls, value: SecretStr) -> SecretStr:
        if scheme_of(value.get_secret_value()) not in ("redis", "rediss"):
            raise ValueError("takes an address such as redis://host:6379/0")
        return value
