"""One task as the answers say it: its name, queue and options."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from natsgen import messages, naming
from natsgen.errors import InputError
from natsgen.parts import task_naming

OPTIONS = ("queue", "priority", "concurrency", "timeout", "max_attempts")
NORMAL = "normal"  # the priority of a task that says none


@dataclass(frozen=True)
class Task:
    """A task.

    Attributes:
        name: of the task, of its function and of `<name>_task.py`.
        queue: that it is enqueued to.
        priority: that it has unless whoever enqueues it says another.
        concurrency: how many run at once; None for the runtime's own default.
        timeout: seconds that an attempt has; None for as long as it takes.
        max_attempts: how often it may be started; None for the runtime's own default.
    """

    name: str
    queue: str
    priority: str = NORMAL
    concurrency: int | None = None
    timeout: float | None = None
    max_attempts: int | None = None

    @classmethod
    def from_answer(cls, name: str, answer: Any) -> Task:
        """The task that one entry of the answer `tasks` describes.

        Args:
            name: its key.
            answer: a mapping of `OPTIONS`, each of which but the queue may be left out.

        Raises:
            InputError: the name or an option breaks its rule.
        """
        if not isinstance(answer, Mapping):
            raise InputError(f"the task {messages.quote(name)} takes a mapping of {', '.join(OPTIONS)}")
        for key in answer:
            if key not in OPTIONS:
                raise InputError(
                    f"the task {messages.quote(name)} has no option {messages.quote(str(key))}"
                    f"{messages.did_you_mean(str(key), OPTIONS)} (there are {', '.join(OPTIONS)})"
                )
        if "queue" not in answer:
            raise InputError(f"the task {messages.quote(name)} needs a queue")
        return cls(
            name=task_naming.task(name),
            queue=task_naming.queue(answer["queue"]),
            priority=task_naming.priority(answer.get("priority", NORMAL)),
            concurrency=naming.concurrency(answer["concurrency"]) if "concurrency" in answer else None,
            timeout=task_naming.timeout(answer["timeout"]) if "timeout" in answer else None,
            max_attempts=task_naming.max_attempts(answer["max_attempts"]) if "max_attempts" in answer else None,
        )

    @classmethod
    def from_text(cls, text: str) -> Task:
        """The task that `QUEUE` or `QUEUE=TASK` on a command line says.

        Raises:
            InputError: the queue or the name breaks its rule.
        """
        queue, separator, name = text.partition("=")
        checked = task_naming.queue(queue)
        return cls(task_naming.task(name) if separator else task_naming.name_for(checked), checked)

    def answer(self) -> dict[str, Any]:
        """The task as an entry of the answer `tasks`: its queue, and what is not as it is anyway."""
        options = {
            "priority": (self.priority, NORMAL),
            "concurrency": (self.concurrency, None),
            "timeout": (self.timeout, None),
            "max_attempts": (self.max_attempts, None),
        }
        return {"queue": self.queue} | {key: value for key, (value, other) in options.items() if value != other}

    @property
    def subject(self) -> str:
        """The subjects that it waits on."""
        return subject_of(self.queue, self.name)

    def durable_in(self, service: str) -> str:
        """The name of its JetStream consumer; those of other priorities have the priority behind it."""
        return f"{service}-{self.name}"


def subject_of(queue: str, name: str) -> str:
    """The subjects that a task waits on, whatever its priority."""
    return f"queue.{queue}.*.{name}"


def stream_of(queue: str) -> str:
    """The stream that holds a queue."""
    return f"QUEUE_{queue.upper()}"


def check(answer: Mapping[str, Any], handlers: Mapping[str, Any] | None = None) -> None:
    """Checks the answer `tasks` as a whole.

    Args:
        answer: the tasks by name.
        handlers: of the same service, by name.

    Raises:
        InputError: a task breaks a rule, or has the name of a handler.
    """
    for name, entry in answer.items():
        Task.from_answer(name, entry)
        if name in (handlers or {}):
            raise InputError(f"{messages.quote(name)} is the name of a handler too: their consumers would be the same")


def queues_of(answer: Mapping[str, Any]) -> tuple[str, ...]:
    """The queues in a checked answer `tasks`, in its order, each once."""
    return tuple(dict.fromkeys(entry["queue"] for entry in answer.values()))


def named(texts: Sequence[str]) -> dict[str, Any]:
    """The answer `tasks` for texts on a command line, `QUEUE` or `QUEUE=TASK`.

    Raises:
        InputError: one of them is none such, or two name the same task.
    """
    found: dict[str, Task] = {}
    for text in texts:
        task = Task.from_text(text)
        if task.name in found:
            raise InputError(f"the task {messages.quote(task.name)} is given twice: write QUEUE=TASK to name it")
        found[task.name] = task
    return {name: task.answer() for name, task in found.items()}
