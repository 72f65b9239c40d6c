"""The settings of a service with actions."""

from __future__ import annotations

from pydantic import Field

from src.config import ServiceSettings, load


class ActionSettings(ServiceSettings):
    """The settings of actions."""

    ACTION_PREFIX: str = Field(
        default="",
        pattern=r"^([A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*)?$",
        description="Tokens in front of every action's subject, such as `staging`",
    )


settings = load(ActionSettings)
