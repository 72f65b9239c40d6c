"""The stream behind a queue: created at first use, and without limits, so that no task is dropped."""

from __future__ import annotations

import time
from typing import Any

from nats.js import JetStreamContext
from nats.js.api import Header, RetentionPolicy, StorageType, StreamConfig

from src.infrastructure.nats_client import NatsClient
from src.tasks.errors import QueueFull
from src.tasks.names import stream_of, subject_of
from src.tasks.settings import settings
from src.toolkit.backing import BackingStream
from src.toolkit.errors import Refused, translated
from src.utils.logging import logger

COUNTED_EVERY = 1.0  # seconds between two requests for the number of waiting tasks


class Queue:
    """One queue.

    With limits, the server would drop the oldest tasks: a stream with message schedules cannot have `discard: new`. So
    `enqueue` counts the tasks instead (`TASK_QUEUE_MAX`).
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._what = f"queue {name}"
        self._backing = BackingStream("queue", name, stream_of(name), self._create)
        self._count = 0
        self._counted_at = float("-inf")

    async def ensure(self, *, refresh: bool = False) -> NatsClient:
        """Make sure that the stream exists and is safe for tasks, and return the connection.

        Args:
            refresh: ask the server even if the stream is known.

        Raises:
            Missing: the stream does not exist, and `STREAM_MODE` does not allow to create it.
            Refused: tasks are not safe in it.
            Unavailable: the server does not answer.
        """
        if refresh:
            await self._backing.info()
        async with self._backing.opened() as connection:
            config = self._backing.config
            limits = (config.max_msgs, config.max_bytes, config.max_age, config.max_msgs_per_subject)
            problem = ""
            if config.retention != RetentionPolicy.WORK_QUEUE:
                problem = f"has the retention {config.retention}, and tasks need workqueue"
            elif any((limit or 0) > 0 for limit in limits) and config.discard == "old":
                problem = "has limits beyond which it drops tasks that nobody has done: take them away"
            if problem:
                raise Refused(f"{self._what}: the stream {self._backing.stream} {problem}")
            return connection

    async def make_room(self, *, later: bool) -> None:
        """Return if another task may be enqueued, or delayed.

        Raises:
            QueueFull: there are too many.
            Missing, Refused, Unavailable: as `ensure`.
        """
        await self.ensure()
        if later:
            self._need_schedules()
        most = settings.TASK_QUEUE_MAX
        if not most:
            return
        if time.monotonic() - self._counted_at > COUNTED_EVERY:
            self._counted_at = time.monotonic()
            self._count = (await self._backing.info()).state.messages
        if self._count >= most:
            raise QueueFull(f"{self._what} holds {self._count} tasks, and TASK_QUEUE_MAX is {most}")
        self._count += 1

    async def keep_schedule(self, task: str, wanted: tuple[bytes, dict[str, str]] | None) -> None:
        """Make the server's schedule of a task this message, or remove it; an equal one stays, and its intervals too.

        Args:
            task: the task's name.
            wanted: payload and headers of the schedule; None for none.

        Raises:
            Refused: the server does not accept it (recurring tasks need nats-server 2.14), or the schedule differs and
                `STREAM_MODE` does not allow to change it.
            Missing, Unavailable: as `ensure`.
        """
        connection = await self.ensure()
        mode = connection.settings.STREAM_MODE
        if mode == "off":
            return
        subject, what = subject_of(self.name, "recurring", task), f"{self._what}: the schedule of {task}"
        found = await self._backing.read(subject)
        headers = {
            name: value for name, value in ((found and found.headers) or {}).items() if name != Header.ROLLUP.value
        }
        if (found and (found.data or b"", headers)) == wanted:
            return
        if mode == "verify":
            raise Refused(f"{what} is not as the task says, and STREAM_MODE=verify changes none")
        with translated(what):
            if wanted is None:
                await connection.jetstream.purge_stream(self._backing.stream, subject=subject)
            else:
                self._need_schedules()
                await connection.publish(subject, *wanted)
        logger.info("schedule set" if wanted else "schedule removed", task=task, queue=self.name)

    def _need_schedules(self) -> None:
        if not self._backing.config.allow_msg_schedules:
            raise Refused(
                f"{self._what}: the stream {self._backing.stream} takes no message schedules, which delayed and "
                "recurring tasks need: use nats-server 2.12 or later, and set `allow_msg_schedules` of the stream"
            )

    async def _create(self, jetstream: JetStreamContext, replicas: int) -> Any:
        config = StreamConfig(
            name=stream_of(self.name),
            subjects=[f"queue.{self.name}.>"],
            retention=RetentionPolicy.WORK_QUEUE,
            storage=StorageType.FILE,
            num_replicas=replicas,
            allow_msg_schedules=True,
            allow_msg_ttl=True,
        )
        return await jetstream.add_stream(config)
