"""The settings of a service with tasks."""

from __future__ import annotations

from pydantic import Field

from src.config import ServiceSettings, load


class TaskSettings(ServiceSettings):
    """How many tasks a queue may hold."""

    TASK_QUEUE_MAX: int = Field(
        default=0,
        ge=0,
        description="Tasks that a queue may hold before `enqueue` refuses more; 0 for no limit",
    )


settings = load(TaskSettings)
