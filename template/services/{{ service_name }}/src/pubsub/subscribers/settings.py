"""The settings of a service with subscribers."""

from __future__ import annotations

from pydantic import Field

from src.config import SERVICE, ServiceSettings, load


class SubscriberSettings(ServiceSettings):
    """The settings of subscribers."""

    QUEUE_GROUP: str = Field(
        default=SERVICE.get("queue_group", ""),
        pattern=r"^[A-Za-z0-9_-]*$",
        description="Queue group of the subscribers, of which one gets each message, unless a subscriber has its own "
        "`queue=`; if empty, every instance gets every message",
    )


settings = load(SubscriberSettings)
