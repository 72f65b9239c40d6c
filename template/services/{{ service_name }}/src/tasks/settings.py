"""The settings of a service with tasks."""

from __future__ import annotations

from pydantic import Field

from src.config import ServiceSettings, load


class TaskSettings(ServiceSettings):
    """The settings of task queues."""

    TASK_QUEUE_MAX: int = Field(
        default=0,
        ge=0,
        description="Tasks in a queue from which `enqueue` raises `QueueFull`; 0 for no limit",
    )


settings = load(TaskSettings)
