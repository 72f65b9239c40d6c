"""The settings of a service with publishers."""

from __future__ import annotations

from pydantic import Field

from src.config import SERVICE, ServiceSettings, load


class PublisherSettings(ServiceSettings):
    """The settings of publishers."""

    PUBLISH_INTERVAL: float = Field(
        default=SERVICE.get("publish_interval", 2.0),
        gt=0,
        le=86400,
        description="Seconds from one message of a publisher to the next, unless it has its own `every=`",
    )


settings = load(PublisherSettings)
