"""The stream of a queue: created at first use, without limits, so that no task is dropped.

With limits, the server would drop the oldest tasks: a stream with message schedules cannot have `discard: new`. So
`enqueue` counts the tasks (`TASK_QUEUE_MAX`).
"""

from __future__ import annotations

from nats.js.api import Header, RetentionPolicy, StreamInfo
from nats.js.errors import APIError, NotFoundError

from src.infrastructure.errors import ConfigurationError
from src.infrastructure.nats_client import NatsClient
from src.infrastructure.provisioning import ensure_stream, raise_if_transient
from src.tasks.errors import QueueFull
from src.tasks.names import stream_of, subject_of
from src.tasks.settings import settings
from src.toolkit.connection import connected
from src.utils.logging import logger


async def ensure_queue(connection: NatsClient, queue: str) -> StreamInfo:
    """Make sure that the stream exists and is safe for tasks, and return its state.

    Raises:
        ConfigurationError: it is not safe for tasks, or it is missing and may not be created.
        nats.errors.Error: the server does not answer; try again.
    """
    options = {"retention": RetentionPolicy.WORK_QUEUE, "allow_msg_schedules": True, "allow_msg_ttl": True}
    info = await ensure_stream(connection, stream_of(queue), [f"queue.{queue}.>"], **options)
    config = info.config
    limits = (config.max_msgs, config.max_bytes, config.max_age, config.max_msgs_per_subject)
    problem = ""
    if config.retention != RetentionPolicy.WORK_QUEUE:
        problem = f"has the retention {config.retention}; tasks need workqueue"
    elif any((limit or 0) > 0 for limit in limits) and config.discard == "old":
        problem = "has limits beyond which it drops waiting tasks: remove them"
    if problem:
        raise ConfigurationError(f"queue {queue}: the stream {stream_of(queue)} {problem}")
    return info


async def make_room(queue: str, *, later: bool) -> None:
    """Check that another task may be enqueued, or delayed.

    Raises:
        QueueFull: the queue is full.
        NotConnected: there is no connection in time.
        ConfigurationError, nats.errors.Error: as `ensure_queue`.
    """
    info = await ensure_queue(await connected(f"queue {queue}"), queue)
    if later:
        _need_schedules(queue, info)
    if 0 < (most := settings.TASK_QUEUE_MAX) <= info.state.messages:
        raise QueueFull(f"queue {queue} has {info.state.messages} tasks; TASK_QUEUE_MAX is {most}")


async def keep_schedule(
    connection: NatsClient, queue: str, task: str, wanted: tuple[bytes, dict[str, str]] | None
) -> None:
    """Set the server's schedule of a task, or remove it; an equal one stays, with its intervals.

    Args:
        connection: the connection.
        queue: the task's queue.
        task: its name.
        wanted: payload and headers of the schedule; None for none.

    Raises:
        ConfigurationError: the server rejects it (recurring tasks need nats-server 2.14), or it differs from the
            present one and `STREAM_MODE` does not allow the change.
        nats.errors.Error: as `ensure_queue`.
    """
    info = await ensure_queue(connection, queue)
    mode, jetstream = connection.settings.STREAM_MODE, connection.jetstream
    if mode == "off":
        return
    subject, what = subject_of(queue, "recurring", task), f"queue {queue}: the schedule of {task}"
    found = None
    try:
        message = await jetstream.get_last_msg(stream_of(queue), subject)
        own = {name: value for name, value in (message.headers or {}).items() if name != Header.ROLLUP.value}
        found = (message.data or b"", own)
    except NotFoundError:
        pass
    if found == wanted:
        return
    if mode == "verify":
        raise ConfigurationError(f"{what} differs from the task's, and STREAM_MODE=verify does not change it")
    try:
        if wanted is None:
            await jetstream.purge_stream(stream_of(queue), subject=subject)
        else:
            _need_schedules(queue, info)
            payload, headers = wanted
            await jetstream.publish(subject, payload, headers=headers)
    except APIError as error:
        raise_if_transient(error)
        raise ConfigurationError(f"{what}: {error.description}") from error
    logger.info("schedule set" if wanted else "schedule removed", task=task, queue=queue)


def _need_schedules(queue: str, info: StreamInfo) -> None:
    if not info.config.allow_msg_schedules:
        raise ConfigurationError(
            f"queue {queue}: the stream {stream_of(queue)} has no message schedules, which delayed and recurring "
            f"tasks need: use nats-server 2.12 or later, and set `allow_msg_schedules` of the stream"
        )
