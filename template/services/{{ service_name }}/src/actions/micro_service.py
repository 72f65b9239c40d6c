"""What the service tells about itself by NATS's micro service protocol: `PING`, `INFO` and `STATS` of `$SRV`.

https://github.com/nats-io/nats-architecture-and-design/blob/main/adr/ADR-32.md
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from nats.aio.client import Client
from nats.micro.service import (
    DEFAULT_QUEUE_GROUP,
    EndpointInfo,
    EndpointStats,
    Service,
    ServiceConfig,
    ServiceInfo,
    ServiceStats,
)
from pydantic import TypeAdapter
from pydantic.errors import PydanticInvalidForJsonSchema, PydanticSchemaGenerationError, PydanticUserError

from src.actions.runner import ActionRunner

NANOSECONDS = 1_000_000_000


class MicroService(Service):
    """nats-py's micro service, with endpoints of our own.

    nats-py's endpoints handle one request at a time, belong to a queue group always, and lose at their end what the
    server had sent and they had not begun. What they tell of themselves has the same form here.

    Args:
        client: that answers; connected.
        config: name, version, description and metadata.
        runners: what the endpoints are.
        since: when the service started, which a client in the place of another does not change.
    """

    def __init__(self, client: Client, config: ServiceConfig, runners: Sequence[ActionRunner], since: datetime) -> None:
        super().__init__(client, config)
        self._runners = runners
        self._since = since
        self._endpoint_infos = [
            EndpointInfo(runner.name, runner.subject, _queue_of(runner), _metadata_of(runner)) for runner in runners
        ]

    def info(self) -> ServiceInfo:
        """The answer to `INFO`."""
        info = super().info()
        info.endpoints = self._endpoint_infos
        return info

    def stats(self) -> ServiceStats:
        """The answer to `STATS`."""
        stats = super().stats()
        stats.started = self._since
        stats.endpoints = [_stats_of(runner) for runner in self._runners]
        return stats


def _queue_of(runner: ActionRunner) -> str:
    return DEFAULT_QUEUE_GROUP if runner.action.queue else ""


def _metadata_of(runner: ActionRunner) -> dict[str, str]:
    """All values are text, as the protocol has it."""
    action = runner.action
    metadata = {
        "version": str(action.version),
        "concurrency": str(action.concurrency),
        "timeout": f"{action.timeout:g}",
    }
    if action.description:
        metadata["description"] = action.description
    for name, annotation, mode in (
        ("request_schema", action.request_type, "validation"),
        ("response_schema", action.response_type, "serialization"),
    ):
        if (schema := _schema_of(annotation, mode)) is not None:
            metadata[name] = json.dumps(schema)
    return metadata | action.metadata


def _schema_of(annotation: Any, mode: Any) -> dict[str, Any] | None:
    """The JSON schema of a type; None where there is nothing to tell, or no schema can tell it."""
    if annotation in (None, Any, bytes):
        return None
    try:
        return TypeAdapter(annotation).json_schema(mode=mode)
    except (PydanticInvalidForJsonSchema, PydanticSchemaGenerationError, PydanticUserError):
        return None


def _stats_of(runner: ActionRunner) -> EndpointStats:
    stats = runner.stats
    processing_time = int(stats.durations.total * NANOSECONDS)
    last_error = stats.last_error
    return EndpointStats(
        name=runner.name,
        subject=runner.subject,
        queue_group=_queue_of(runner),
        num_requests=stats.requests,
        num_errors=stats.errors.total(),
        processing_time=processing_time,
        average_processing_time=processing_time // stats.requests if stats.requests else 0,
        last_error=f"{last_error['code']}:{last_error['message']}" if last_error else None,
    )
