"""The stream behind a queue: made when it is first used, never dropping what nobody has done."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import nats.js.errors
from nats.js import JetStreamContext
from nats.js.api import Header, RetentionPolicy, StorageType, StreamConfig

from src.infrastructure.connection.jetstream_api import ask
from src.infrastructure.nats_client import NatsClient
from src.requests.nats import Nats
from src.toolkit.backing import STREAM_MISSING, Backing
from src.toolkit.errors import Refused, translated
from src.tasks.errors import QueueFull
from src.tasks.names import recurring_subject, stream_of, subject_of, subjects_of
from src.tasks.task import Task, encoded
from src.utils.logging import logger

COUNTED_EVERY = 1.0  # seconds for which a count of what waits is taken as it was


class Queue:
    """One queue.

    Its stream has no limits. Where it had, the server would drop the oldest tasks: with message schedules it does not
    take `discard: new`. So that it does not grow for ever, `TASK_QUEUE_MAX` is watched over by who enqueues.

    Args:
        name: of the queue.
        nats: what it goes over.
    """

    def __init__(self, name: str, nats: Nats) -> None:
        self.name = name
        self.what = f"queue {name}"
        self._backing = Backing(nats, self.what, stream_of(name), self._make)
        self._room: asyncio.Lock = asyncio.Lock()
        self._count = 0
        self._counted_at = float("-inf")

    async def provide(self) -> NatsClient:
        """Makes sure that its stream is there; the connection.

        Raises:
            Missing: it is not, and may not be made.
            Refused: it is none that tasks are safe in.
            Unavailable: the server does not answer.
        """
        async with self._backing.opened() as connection:
            if problems := _problems(self._backing.config):
                raise Refused(f"{self.what}: the stream {self._backing.stream} {'; '.join(problems)}")
            return connection

    async def refresh(self) -> NatsClient:
        """As `provide`, and looks whether it still is there."""
        await self._backing.info()
        return await self.provide()

    async def make_room(self, *, later: bool = False) -> None:
        """Returns if another task may be enqueued, or is to be later.

        Raises:
            QueueFull: there are too many.
            Missing, Refused, Unavailable: as `provide` does.
        """
        most = (await self.provide()).settings.TASK_QUEUE_MAX
        if later:
            self._need_schedules()
        if not most:
            return
        async with self._room:
            if time.monotonic() - self._counted_at > COUNTED_EVERY:
                self._count = (await self._backing.info()).state.messages
                self._counted_at = time.monotonic()
            if self._count >= most:
                raise QueueFull(f"{self.what} holds {self._count} tasks, and TASK_QUEUE_MAX is {most}")
            self._count += 1

    async def keep_schedule(self, task: Task[Any, ..., Any]) -> None:
        """Has the server run the task as its schedule says, or not by itself where it has none.

        A schedule that is there as it should be stays: its intervals go on.

        Raises:
            Refused: the server does not take it (recurring tasks need nats-server 2.14), or it is another one and
                `STREAM_MODE` does not allow to change it.
            Missing, Unavailable: as `provide` does.
        """
        connection = await self.provide()
        mode = connection.settings.STREAM_MODE
        if mode == "off":
            return
        stream, subject = self._backing.stream, recurring_subject(self.name, task.name)
        what = f"{self.what}: the schedule of {task.name}"
        wanted = self._schedule(task)
        with translated(what):
            there = await _last(connection.jetstream, stream, subject)
            if there == wanted:
                return
            if mode == "verify":
                raise Refused(f"{what} is not as the task says, and STREAM_MODE=verify changes none")
            if wanted is None:
                await ask(connection.client, f"STREAM.PURGE.{stream}", {"filter": subject})
            else:
                self._need_schedules()
                await connection.publish(subject, *wanted)
        logger.info("schedule set" if wanted else "schedule removed", task=task.name, queue=self.name)

    def _schedule(self, task: Task[Any, ..., Any]) -> tuple[bytes, dict[str, str]] | None:
        """The message that is a task's schedule; None where it has none."""
        schedule = task.policy.schedule
        if schedule is None:
            return None
        return encoded(schedule.payload), schedule.headers(subject_of(self.name, task.policy.priority, task.name))

    def _need_schedules(self) -> None:
        """Raises Refused where what is to be sent later would just lie there."""
        if not self._backing.config.allow_msg_schedules:
            raise Refused(
                f"{self.what}: the stream {self._backing.stream} takes no message schedules, which what is done later "
                "needs: that is nats-server 2.12, and `allow_msg_schedules` of the stream"
            )

    async def _make(self, jetstream: JetStreamContext, replicas: int) -> object:
        return await jetstream.add_stream(
            StreamConfig(
                name=stream_of(self.name),
                subjects=[subjects_of(self.name)],
                retention=RetentionPolicy.WORK_QUEUE,
                storage=StorageType.FILE,
                num_replicas=replicas,
                allow_msg_schedules=True,
                allow_msg_ttl=True,
            )
        )


async def _last(jetstream: JetStreamContext, stream: str, subject: str) -> tuple[bytes, dict[str, str]] | None:
    """What is kept on a subject, as it would be published again; None where there is nothing."""
    try:
        found = await jetstream.get_last_msg(stream, subject)
    except nats.js.errors.NotFoundError as error:
        if error.err_code == STREAM_MISSING:
            raise
        return None
    known = {name: value for name, value in (found.headers or {}).items() if name != Header.ROLLUP.value}
    return found.data or b"", known


def _problems(config: StreamConfig) -> list[str]:
    """Why tasks are not safe in such a stream; empty when they are."""
    found = []
    if config.retention != RetentionPolicy.WORK_QUEUE:
        found.append(f"has the retention {config.retention}, and tasks need workqueue")
    limits = (config.max_msgs, config.max_bytes, config.max_age, config.max_msgs_per_subject)
    if any((limit or 0) > 0 for limit in limits) and config.discard == "old":
        found.append("has limits beyond which it drops tasks that nobody has done: take them away")
    return found
