"""Actions: coroutines that answer requests on `v<version>.<service>.<action>`."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace

from natsgen.parts.kind import FoundPart, Option, Part, PartFile, PartKind
from natsgen.parts.rules import CONCURRENCY, NAME_MAX_LENGTH, Flag, Name, Number, refuse_twice
from natsgen.parts.source import Value, joined

# An action's function has the action's name, next to these in its file and in its test; copier.yml refuses the same.
_NAME = Name("action", frozenset({"action", "annotations", "pytest", "request", "response", "str"}), "do")


@dataclass(frozen=True)
class Action(Part):
    """An action.

    Attributes:
        action: its own name, a token of its subject; "" for the name of its function. All versions of an action share
            it.
        version: the version of the action.
        queue: whether one instance of the service answers each request; otherwise all instances do.
        concurrency: how many requests are answered at once; None for the runtime's default.
        timeout: the time limit of a request in seconds; None for the runtime's default.
    """

    action: str = ""
    version: int = 1
    queue: bool = True
    concurrency: int | None = None
    timeout: float | None = None

    def __post_init__(self) -> None:
        if self.action == self.name:
            object.__setattr__(self, "action", "")

    @property
    def does(self) -> str:
        """Return its own name."""
        return self.action or self.name

    @property
    def key(self) -> Hashable:
        """Return its own name and its version."""
        return self.version, self.does

    def subject_in(self, service: str) -> str:
        """Return the subject that it answers on, without the optional prefix `ACTION_PREFIX`."""
        return f"v{self.version}.{service}.{self.does}"

    def facts(self, service: str) -> dict[str, object]:
        """Return its subject and its version."""
        return {"subject": self.subject_in(service), "version": self.version}

    def story(self, service: str) -> str:
        """Return what it answers."""
        return f"answers requests on {self.subject_in(service)}"

    def beside(self, there: Sequence[PartFile], service: str, queue_group: str) -> Action:
        """Return it with its version in its name if its file already contains another version."""
        file = next((file for file in there if file.name == self.name), None)
        if file is None or not any(one.first and one.first.literal == self.does for one in file.parts):
            return self
        return replace(self, name=with_version(self.name, self.version), action=self.does)


@dataclass(frozen=True)
class FoundAction(FoundPart):
    """A function that answers requests."""

    @property
    def version(self) -> Value:
        """Return the action's version, or its expression."""
        return self.options.get("version", Value("1", 1))

    @property
    def is_for_all(self) -> bool:
        """Return whether every instance of the service answers each request."""
        queue = self.options.get("queue")
        return queue is not None and queue.literal is False

    def about(self, service: str) -> Value:
        """Return the subject that it answers on, without a prefix; a literal only if all its parts are literals."""
        return self.given("subject") or joined(f"v{{}}.{service}.{{}}", self.version, self.first)

    def key(self, service: str) -> Hashable:
        """Return its own name and its version."""
        return (self.version.literal, self.first.literal) if self.first else None

    def remark(self, service: str) -> str:
        """Return which instances answer."""
        return "action of every instance" if self.is_for_all else "action"

    def facts(self, service: str) -> dict[str, object]:
        """Return its fields in JSON documents."""
        name = self.first.text if self.first else None
        own = {"action": name, "version": self.version.text, "queue": not self.is_for_all}
        return {**super().facts(service), **own}


ACTIONS = PartKind(
    noun="action",
    name=_NAME,
    part=Action,
    argument=("ACTION", "Name of the action: lower-case letters, digits, underscores."),
    options=(
        Option("action", _NAME),
        Option("version", Number("version", 0, 9_999), help="Version of the action, part of its subject [default: 1]"),
        Option("queue", Flag("queue"), help="Let every instance of the service answer each request."),
        Option("concurrency", CONCURRENCY, help="Maximum number of concurrent requests [default: 100]"),
        Option(
            "timeout",
            Number("time limit", 0.001, 3_600, "seconds"),
            help="Time limit of a request [default: 5]",
        ),
    ),
    found=FoundAction,
    decorator="action",
    first="name",
    does=("answers", "action"),
    unique="another version",
    goodbye="{service} no longer answers {about}.",
)


def from_names(names: Sequence[str], version: int = 1) -> tuple[Action, ...]:
    """Return the actions with these names, all of one version.

    Raises:
        InputError: a name is invalid, or is given twice.
    """
    checked = [_NAME.check(name) for name in names]
    refuse_twice("action", checked, "a service answers each version once")
    return tuple(Action(name, version=version) for name in checked)


def with_version(name: str, number: int) -> str:
    """Return the name for the file and the function of one of several versions of an action."""
    ending = f"_v{number}"
    return f"{name[: NAME_MAX_LENGTH - len(ending)].rstrip('_')}{ending}"
