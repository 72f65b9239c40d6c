"""The settings of a service with subscribers."""

from __future__ import annotations

from pydantic import Field

from src.config import SERVICE, ServiceSettings, load


class SubscriberSettings(ServiceSettings):
    """The settings of subscribers."""

    QUEUE_GROUP: str = Field(
        default=SERVICE.get("queue_group", ""),
        pattern=r"^[A-Za-z0-9_-]*$",
        description="Queue group of subscribers without their own `queue=`: one member receives each message; if "
        "empty, every instance receives every message",
    )


settings = load(SubscriberSettings)
