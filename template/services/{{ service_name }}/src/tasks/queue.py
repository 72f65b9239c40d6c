"""The stream of a queue: created at first use, without limits, so that no task is dropped."""

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


class Queue:
    """One queue.

    With limits, the server would drop the oldest tasks: a stream with message schedules cannot have `discard: new`.
    So `enqueue` counts the tasks (`TASK_QUEUE_MAX`).
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._stream = stream_of(name)

    async def ensure(self, connection: NatsClient) -> StreamInfo:
        """Make sure that the stream exists and is safe for tasks, and return its state.

        Raises:
            ConfigurationError: it is not safe for tasks, or it is missing and may not be created.
            nats.errors.Error: the server does not answer; try again.
        """
        options = {"retention": RetentionPolicy.WORK_QUEUE, "allow_msg_schedules": True, "allow_msg_ttl": True}
        info = await ensure_stream(connection, self._stream, [f"queue.{self.name}.>"], **options)
        config = info.config
        limits = (config.max_msgs, config.max_bytes, config.max_age, config.max_msgs_per_subject)
        problem = ""
        if config.retention != RetentionPolicy.WORK_QUEUE:
            problem = f"has the retention {config.retention}; tasks need workqueue"
        elif any((limit or 0) > 0 for limit in limits) and config.discard == "old":
            problem = "has limits beyond which it drops waiting tasks: remove them"
        if problem:
            raise ConfigurationError(f"queue {self.name}: the stream {self._stream} {problem}")
        return info

    async def make_room(self, *, later: bool) -> None:
        """Check that another task may be enqueued, or delayed.

        Raises:
            QueueFull: the queue is full.
            NotConnected: there is no connection in time.
            ConfigurationError, nats.errors.Error: as `ensure`.
        """
        info = await self.ensure(await connected(f"queue {self.name}"))
        if later:
            self._need_schedules(info)
        if 0 < (most := settings.TASK_QUEUE_MAX) <= info.state.messages:
            raise QueueFull(f"queue {self.name} has {info.state.messages} tasks; TASK_QUEUE_MAX is {most}")

    async def keep_schedule(
        self, connection: NatsClient, task: str, wanted: tuple[bytes, dict[str, str]] | None
    ) -> None:
        """Set the server's schedule of a task, or remove it; an equal one stays, with its intervals.

        Args:
            task: the task's name.
            wanted: payload and headers of the schedule; None for none.

        Raises:
            ConfigurationError: the server rejects it (recurring tasks need nats-server 2.14), or it differs from the
                present one and `STREAM_MODE` does not allow the change.
            nats.errors.Error: as `ensure`.
        """
        info = await self.ensure(connection)
        mode, jetstream = connection.settings.STREAM_MODE, connection.jetstream
        if mode == "off":
            return
        subject, what = subject_of(self.name, "recurring", task), f"queue {self.name}: the schedule of {task}"
        found = None
        try:
            message = await jetstream.get_last_msg(self._stream, subject)
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
                await jetstream.purge_stream(self._stream, subject=subject)
            else:
                self._need_schedules(info)
                payload, headers = wanted
                await jetstream.publish(subject, payload, headers=headers)
        except APIError as error:
            raise_if_transient(error)
            raise ConfigurationError(f"{what}: {error.description}") from error
        logger.info("schedule set" if wanted else "schedule removed", task=task, queue=self.name)

    def _need_schedules(self, info: StreamInfo) -> None:
        if not info.config.allow_msg_schedules:
            raise ConfigurationError(
                f"queue {self.name}: the stream {self._stream} has no message schedules, which delayed and recurring "
                f"tasks need: use nats-server 2.12 or later, and set `allow_msg_schedules` of the stream"
            )
