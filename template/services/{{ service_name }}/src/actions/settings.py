"""The settings of a service with actions."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from src.config import ServiceSettings, load


class ActionSettings(ServiceSettings):
    """Where actions answer, and what they accept."""

    ACTION_PREFIX: str = Field(
        default="",
        pattern=r"^([A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*)?$",
        description="Tokens in front of every action's subject, such as `staging`",
    )
    ACTION_UNKNOWN_FIELDS: Literal["model", "forbid", "ignore"] = Field(
        default="model",
        description="Fields of a request that its model does not have: `forbid` refuses them, `ignore` drops them, "
        "`model` follows each model's own `extra`",
    )


settings = load(ActionSettings)
