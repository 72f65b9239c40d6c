"""Tasks for synchronous code, see `src.tasks`."""

from __future__ import annotations

from typing import Any, Generic

from src.requests.nats import Nats
from src.toolkit.background import Background
from src.toolkit.batches import Publish
from src.tasks.enqueueing import Enqueuer
from src.tasks.results import Results, Status
from src.tasks.task import Task
from src.tasks.ticket import ResultT, Ticket, ticket_for


class SyncTicket(Generic[ResultT]):
    """A task that was enqueued; each method is that of the same name of `Ticket`."""

    def __init__(self, background: Background, original: Ticket[ResultT]) -> None:
        self._background = background
        self._original = original
        self.queue = original.queue
        self.task = original.task
        self.id = original.id
        self.duplicate = original.duplicate
        self.keeps_result = original.keeps_result

    def status(self) -> Status | None:
        """What has become of it so far; None where nothing is known, or no longer."""
        return self._background.run(self._original.status)

    def result(self, timeout: float | None = None) -> ResultT:
        """Its result, waited for."""
        return self._background.run(self._original.result, timeout)


class SyncTasks:
    """What `SyncNats` enqueues with."""

    def __init__(self, background: Background, nats: Nats, publish: Publish) -> None:
        self._background = background
        self._results = Results(nats)
        self._enqueuer = Enqueuer(nats, publish, self._results)

    def enqueue(self, task: Task[Any, ..., Any] | str, payload: Any, **options: Any) -> SyncTicket[Any]:
        """Has a worker do a task."""
        return SyncTicket(self._background, self._background.run(self._enqueuer.enqueue, task, payload, **options))

    def ticket_for(self, task: Task[Any, ..., Any] | str, task_id: str) -> SyncTicket[Any]:
        """The ticket of a task that was enqueued earlier."""
        return SyncTicket(self._background, ticket_for(task, task_id, self._results))
