"""Tasks: coroutines that process a queue on JetStream, with messages on `queue.<queue>.<priority>.<task>`."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from natsgen import messages
from natsgen.errors import InputError
from natsgen.parts import naming
from natsgen.parts.kind import FoundPart, Leftover, Option, Part, PartFile, PartKind
from natsgen.parts.rules import CONCURRENCY, Choice, Name, Number, pattern
from natsgen.parts.source import Value, joined

QUEUE_MAX_LENGTH = 64
PRIORITIES = ("high", "normal", "low")
NORMAL = "normal"  # the default priority

_QUEUE = "[a-z][a-z0-9]*([_-][a-z0-9]+)*"

# A task's function and its class are named after the task, next to these names in its file and test, or to imports that
# its comments suggest; copier.yml refuses the same.
_RESERVED = frozenset(
    {
        *("annotations", "any", "base_model", "config_dict", "false", "logger", "message", "none", "payload"),
        *("reject", "retry", "task", "true"),
    }
)


@dataclass(frozen=True)
class Task(Part):
    """A task.

    Attributes:
        queue: its queue; "" for the queue of the service's other tasks.
        priority: its priority, unless the caller that enqueues it sets another.
        concurrency: how many attempts run at once; None for the runtime's default.
        timeout: the time limit of an attempt in seconds; None for no limit.
        max_attempts: the maximum number of attempts; None for the runtime's default.
    """

    queue: str
    priority: str = NORMAL
    concurrency: int | None = None
    timeout: float | None = None
    max_attempts: int | None = None

    @classmethod
    def from_text(cls, text: str, name: str | None, **options: Any) -> Task:
        """Return the task for the name on a command line."""
        return super().from_text(text, name, **{"queue": "", **options})

    def beside(self, there: Sequence[PartFile], service: str, queue_group: str) -> Task:
        """Return it with the queue of the other tasks if it has none."""
        if self.queue:
            return self
        found = [part for file in there for part in file.parts]
        queues = sorted({part.queue.text for part in found if isinstance(part, FoundTask) and part.queue.is_text})
        if len(queues) == 1:
            return replace(self, queue=queues[0])
        what = f"has the queues {messages.join_names(queues)}" if queues else "has no queue yet"
        raise InputError(f"--queue is required: {service} {what}")

    @property
    def does(self) -> str:
        """Return its queue."""
        return self.queue

    @property
    def subject(self) -> str:
        """Return the subjects of its messages, for all priorities."""
        return f"queue.{self.queue}.*.{self.name}"

    def durable_in(self, service: str) -> str:
        """Return the name of its JetStream consumer; those of other priorities end with the priority."""
        return f"{service}-{self.name}"

    def facts(self, service: str) -> dict[str, object]:
        """Return its queue, its subjects and its consumer."""
        return {"queue": self.queue, "subject": self.subject, "durable": self.durable_in(service)}

    def story(self, service: str) -> str:
        """Return how it is enqueued."""
        return f"is enqueued as {self.queue}.{self.name}, on {self.subject}"


@dataclass(frozen=True)
class FoundTask(FoundPart):
    """A function that runs a task."""

    @property
    def queue(self) -> Value:
        """Return the queue, or its expression."""
        return self.options.get("queue", Value("", None))

    @property
    def recurs(self) -> bool:
        """Return whether it has a schedule."""
        return self.given("schedule") is not None

    def answer(self) -> dict[str, object] | None:
        """Return the answer that a command would have created it from; None if its function has another name."""
        if self.first is None or self.first.literal != self.name:
            return None
        return {keyword: value.literal for keyword, value in self.options.items()}

    def key(self, service: str) -> Hashable:
        """Return the task's own name."""
        return self.first.literal if self.first else self.name

    def about(self, service: str) -> Value:
        """Return the subjects of its messages; a literal only if all its parts are literals."""
        return joined("queue.{}.*.{}", self.queue, self.first)

    def durable_in(self, service: str) -> str:
        """Return the name of its JetStream consumer, or its expression."""
        return f"{service}-{self.first.text if self.first else self.name}"

    def remark(self, service: str) -> str:
        """Return "recurring task" or "task"."""
        return "recurring task" if self.recurs else "task"

    def facts(self, service: str) -> dict[str, object]:
        """Return its fields in JSON documents."""
        name = self.first.text if self.first else None
        own = {"task": name, "queue": self.queue.text, "durable": self.durable_in(service), "recurs": self.recurs}
        return {**super().facts(service), **own}

    def on_server(self, service: str) -> tuple[Leftover, ...]:
        """Return its schedule, and its consumer for each priority."""
        stream, durable = stream_of(self.queue.text), self.durable_in(service)
        found = [Leftover("consumers", stream, durable + ("" if one == NORMAL else f"-{one}")) for one in PRIORITIES]
        if self.recurs and self.first:
            found.insert(0, Leftover("schedules", stream, f"queue.{self.queue.text}.recurring.{self.first.text}"))
        return tuple(found)


def _as_queue(text: str) -> str:
    """Return a queue name from the words in a text; "" if none can begin a name."""
    return naming.words_of(text)[:QUEUE_MAX_LENGTH].strip("_").lstrip("0123456789_")


TASKS = PartKind(
    noun="task",
    name=Name("task", _RESERVED, "do"),
    part=Task,
    argument=("TASK", "Name of the task: lower-case letters, digits, underscores."),
    options=(
        Option(
            "queue",
            pattern(
                "queue",
                _QUEUE,
                QUEUE_MAX_LENGTH,
                "lower-case letters, digits and single - and _, starting with a letter",
                _as_queue,
            ),
            help="Queue of the task [default: the service's only queue]",
        ),
        Option(
            "priority",
            Choice("priority", PRIORITIES),
            help="Default priority of the task [default: normal]",
        ),
        Option("concurrency", CONCURRENCY, help="Maximum number of concurrent attempts per instance [default: 1]"),
        Option(
            "timeout",
            Number("time limit", 0.001, 604_800, "seconds"),
            help="Time limit of an attempt [default: none]",
        ),
        Option(
            "max_attempts",
            Number("count of attempts", 1, 10_000),
            help="Attempts before it becomes a dead letter [default: 5]",
        ),
    ),
    found=FoundTask,
    decorator="task",
    first="name",
    does=("processes", "queue"),
    leaves=("consumers", "schedules"),
)


def from_text(text: str) -> Task:
    """Return the task for `QUEUE` or `QUEUE=TASK` on a command line.

    Raises:
        InputError: the queue or the name is invalid.
    """
    queue, separator, name = text.partition("=")
    checked = TASKS.option("queue").check(queue)
    return Task(TASKS.name.check(name) if separator else TASKS.name.from_text(f"process_{checked}"), checked)


def from_texts(texts: Sequence[str]) -> tuple[Task, ...]:
    """Return the tasks for texts on a command line, each `QUEUE` or `QUEUE=TASK`.

    Raises:
        InputError: a text is invalid, or two name the same task.
    """
    found: dict[str, Task] = {}
    for text in texts:
        task = from_text(text)
        if task.name in found:
            raise InputError(f"the task {messages.quote(task.name)} is given twice: write QUEUE=TASK to name it")
        found[task.name] = task
    return tuple(found.values())


def stream_of(queue: str) -> str:
    """Return the name of a queue's stream."""
    return f"QUEUE_{queue.upper()}"
