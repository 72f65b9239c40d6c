"""A service's tasks come and go: a file for each and one for its test, and nothing else is touched."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath

from natsgen import messages
from natsgen.errors import ConflictError, InputError
from natsgen.parts import discovery, task_discovery
from natsgen.parts.kinds import TASKS
from natsgen.parts.task_discovery import TaskFile
from natsgen.parts.task_naming import PRIORITIES
from natsgen.parts.tasks import NORMAL, Task, stream_of
from natsgen.services import edit
from natsgen.services.edit import Added, Removed, ServiceTarget


def queue_of(site: ServiceTarget) -> str:
    """The one queue that a service's tasks are of, for another one.

    Raises:
        InputError: there is no such service, or it has no queue, or several.
    """
    folder = edit.folder_of(site)
    found = (task.queue for file in task_discovery.task_files(folder) for task in file.tasks)
    queues = sorted({queue.text for queue in found if queue.is_text})
    if len(queues) == 1:
        return queues[0]
    what = (
        f"{site.service} has the queues {messages.join_names(queues)}" if queues else f"{site.service} has no queue yet"
    )
    raise InputError(f"--queue must be given: {what}")


def add_task(site: ServiceTarget, task: Task) -> Added[Task]:
    """Adds a task and its test to a service, whole or not at all.

    Raises:
        InputError: there is no such service.
        ConflictError: a file, task or handler of that name exists.
        NatsgenError: it could not be done; the workspace is as before.
    """

    def fit(folder: Path) -> tuple[Task, Iterable[str]]:
        there = task_discovery.task_files(folder)
        _refuse_clashes(site, task, there)
        return task, edit.not_compared(there)

    return edit.add(site, TASKS, fit)


def remove_task(site: ServiceTarget, text: str, *, force: bool) -> Removed[TaskFile]:
    """Removes a task file and its test from a service, as `growth.remove` does."""
    return edit.remove(site, TASKS, task_discovery.task_files, text, force=force)


def consumers_of(file: TaskFile, service: str) -> tuple[tuple[str, str], ...]:
    """The stream and the durable of each consumer of the tasks in a file: they stay on the server."""
    return tuple(
        (stream_of(task.queue.text), task.durable_in(service) + ("" if priority == NORMAL else f"-{priority}"))
        for task in file.tasks
        for priority in PRIORITIES
    )


def schedules_of(file: TaskFile) -> tuple[tuple[str, str], ...]:
    """The stream and the subject of the schedule of each recurring task in a file: they stay on the server too."""
    return tuple(
        (stream_of(task.queue.text), f"queue.{task.queue.text}.recurring.{task.task.text}")
        for task in file.tasks
        if task.recurs and task.task
    )


def _refuse_clashes(site: ServiceTarget, wanted: Task, there: Sequence[TaskFile]) -> None:
    for file in there:
        where = f"{site.folder / file.path}"
        if file.name == wanted.name:
            what = ", ".join(found.subject.text for found in file.tasks) or file.error
            raise ConflictError(f"{where} exists already ({what}) and is left alone: choose another name for the task")
        for found in file.tasks:
            if found.task is not None and found.task.literal == wanted.name:
                raise ConflictError(
                    f"{where} has a task {messages.quote(wanted.name)} already, in line {found.line}: choose another "
                    "name"
                )
    for path, line in _handlers_named(site.folder, wanted.name):
        raise ConflictError(
            f"{site.folder / path} has a handler {messages.quote(wanted.name)}, in line {line}: a task of that name "
            "would share its consumer and its dead letters; choose another name"
        )


def _handlers_named(folder: Path, name: str) -> Iterator[tuple[PurePosixPath, int]]:
    for file in discovery.handler_files(folder):
        for handler in file.handlers:
            if handler.name == name:
                yield file.path, handler.line
