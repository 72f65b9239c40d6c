"""The tasks of a service, read from its source without importing it."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import ClassVar

from natsgen.errors import InputError
from natsgen.parts import source
from natsgen.parts.kinds import TASKS, PartKind
from natsgen.parts.source import Function, Value
from natsgen.parts.tasks import Task, subject_of

_DECORATOR = "task"


@dataclass(frozen=True)
class FoundTask:
    """A function that does a task.

    Attributes:
        name: of the function.
        line: where it begins.
        task: the task's own name; None where the decorator names nothing.
        options: the decorator's other arguments, by name.
    """

    name: str
    line: int
    task: Value | None
    options: dict[str, Value]

    @property
    def queue(self) -> Value:
        """The queue, or the expression that makes it."""
        return self.options.get("queue", Value("", None))

    @property
    def recurs(self) -> bool:
        """Whether it has a schedule."""
        schedule = self.options.get("schedule")
        return schedule is not None and schedule.source != "None"

    @property
    def subject(self) -> Value:
        """The subjects that it waits on; no literal where a part of them is none."""
        parts = (self.queue, self.task or Value("", None))
        queue, name = (part.text if part.literal is not None else f"{{{part.source}}}" for part in parts)
        text = subject_of(queue, name)
        return Value(text, text if all(part.literal is not None for part in parts) else None)

    def durable_in(self, service: str) -> str:
        """The name of its JetStream consumer, or the expression that makes it."""
        return f"{service}-{self.task.text if self.task else self.name}"


@dataclass(frozen=True)
class TaskFile:
    """A `*_task.py`.

    Attributes:
        path: in the service's folder.
        tasks: those in it, in their order.
        error: why it cannot be read; "" if it can.
    """

    kind: ClassVar[PartKind] = TASKS

    path: PurePosixPath
    tasks: tuple[FoundTask, ...]
    error: str = ""

    @property
    def name(self) -> str:
        """The name of the task that a file of this name is made for."""
        return self.path.name.removesuffix(TASKS.suffix)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the functions in it."""
        return tuple(task.name for task in self.tasks)

    def as_made(self) -> Task:
        """The task that a command would have made the file for, if it has made it.

        Raises:
            InputError: no command makes such a file.
        """
        found = self.tasks[0] if len(self.tasks) == 1 else None
        if found is None or found.name != self.name or found.task is None or found.task.literal != self.name:
            raise InputError(f"{self.path} holds something else than one task {self.name}")
        return Task.from_answer(found.name, {key: value.literal for key, value in found.options.items()})


def task_files(service: Path) -> tuple[TaskFile, ...]:
    """The task files in a service's folder, sorted; one that cannot be read says why and hides no other."""
    return tuple(_task_file(service / path, path) for path in source.paths(service, TASKS))


def tasks_in(module: ast.Module) -> tuple[FoundTask, ...]:
    """The functions of a module that `@task(...)` decorates."""
    return tuple(_found(function, call) for function, call in source.decorated(module, _DECORATOR))


def _task_file(file: Path, path: PurePosixPath) -> TaskFile:
    try:
        tasks = source.read(file, tasks_in)
    except ValueError as error:
        return TaskFile(path, (), str(error))
    return TaskFile(path, tasks, "" if tasks else f"there is no @{_DECORATOR} in it")


def _found(function: Function, decorator: ast.Call) -> FoundTask:
    name, options = source.arguments(decorator, "name")
    return FoundTask(name=function.name, line=function.lineno, task=name, options=options)
