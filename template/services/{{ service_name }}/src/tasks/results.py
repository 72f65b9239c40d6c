"""What has become of tasks whose result is wanted: the bucket `task_results`."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import BaseModel, Field

from src.requests.nats import Nats
from src.requests.nats import nats as service_nats
from src.toolkit.errors import KeyExists
from src.toolkit.kv import Bucket
from src.tasks.names import RESULT_TTL

State = Literal["queued", "running", "done", "failed"]

BUCKET = "task_results"
KEPT = 7 * 24 * 3600.0  # seconds that a task's state is kept which does not change any more, before it is done


class Status(BaseModel):
    """What has become of a task.

    Attributes:
        state: `queued` also between two attempts, and while it is delayed.
        attempt: the latest; 0 before the first.
        result: of the task, when it is done.
        reason: why it failed, as in its dead letter.
        error: what its latest attempt raised.
        at: since when, in UTC.
    """

    state: State
    attempt: int = 0
    result: Any = None
    reason: str = ""
    error: str = ""
    at: datetime = Field(default_factory=lambda: datetime.now(UTC))


class Results:
    """The states and results of tasks.

    Args:
        nats: what it goes over.
    """

    def __init__(self, nats: Nats) -> None:
        self._bucket: Bucket[Status] = Bucket(BUCKET, Status, nats=nats)

    async def begin(self, queue: str, task: str, task_id: str, delay: float) -> bool:
        """Notes that a task is queued, unless more is known of it; whether it was noted.

        Raises:
            Missing, Unavailable, Refused: see `src.toolkit.errors`.
        """
        try:
            await self._bucket.create(_key(queue, task, task_id), Status(state="queued"), ttl=KEPT + delay)
        except KeyExists:
            return False
        return True

    async def forget(self, queue: str, task: str, task_id: str) -> None:
        """Takes back what `begin` noted.

        Raises:
            Missing, Unavailable, Refused: see `src.toolkit.errors`.
        """
        await self._bucket.delete(_key(queue, task, task_id))

    async def note(self, queue: str, task: str, task_id: str, status: Status, ttl: float = KEPT) -> None:
        """Notes a task's state for `ttl` seconds.

        Raises:
            TooLarge: it does not fit into one message.
            Missing, Unavailable, Refused: see `src.toolkit.errors`.
        """
        await self._bucket.put(_key(queue, task, task_id), status, ttl=ttl)

    async def get(self, queue: str, task: str, task_id: str) -> Status | None:
        """What is known of a task; None where nothing is, or no longer.

        Raises:
            Missing, Unavailable, Refused: see `src.toolkit.errors`.
        """
        entry = await self._bucket.get(_key(queue, task, task_id), None)
        return entry.value if entry else None

    async def watch(self, queue: str, task: str, task_id: str) -> AsyncGenerator[Status, None]:
        """What is known of a task, and every change.

        Raises:
            Missing, Unavailable, Refused: see `src.toolkit.errors`.
        """
        async for entry in self._bucket.watch(_key(queue, task, task_id)):
            if not entry.deleted:
                yield entry.value


service_results = Results(service_nats)


def wanted_for(headers: Mapping[str, str]) -> float | None:
    """The seconds for which a task's result is wanted, from its headers; None where it is not."""
    try:
        seconds = float(headers.get(RESULT_TTL, ""))
    except ValueError:
        return None
    return seconds if 1 <= seconds < 1e9 else None


def _key(queue: str, task: str, task_id: str) -> str:
    return f"{queue}.{task}.{task_id}"
