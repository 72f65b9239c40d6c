"""One action as the answers say it: its name, version and options."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from natsgen import messages, naming
from natsgen.errors import InputError
from natsgen.parts import action_naming

OPTIONS = ("action", "version", "queue", "concurrency", "timeout")


@dataclass(frozen=True)
class Action:
    """An action.

    Attributes:
        name: of its function and of `<name>_action.py`.
        action: its own name, a token of its subject. Two versions of one action have it in common.
        version: of the action.
        queue: whether one instance of the service answers each request; else all do.
        concurrency: how many requests are answered at once; None for the runtime's own default.
        timeout: seconds that a request has; None for the runtime's own default.
    """

    name: str
    action: str
    version: int = 1
    queue: bool = True
    concurrency: int | None = None
    timeout: float | None = None

    @classmethod
    def from_answer(cls, name: str, answer: Any) -> Action:
        """The action that one entry of the answer `actions` describes.

        Args:
            name: its key.
            answer: a mapping of `OPTIONS`, each of which may be left out.

        Raises:
            InputError: the name or an option breaks its rule.
        """
        if not isinstance(answer, Mapping):
            raise InputError(
                f"the action {messages.quote(name)} takes a mapping of {', '.join(OPTIONS)}; {{}} is one without any"
            )
        for key in answer:
            if key not in OPTIONS:
                raise InputError(
                    f"the action {messages.quote(name)} has no option {messages.quote(str(key))}"
                    f"{messages.did_you_mean(str(key), OPTIONS)} (there are {', '.join(OPTIONS)})"
                )
        if not isinstance(answer.get("action", name), str):
            raise InputError(f"the action {messages.quote(name)}: action takes text")
        if not isinstance(answer.get("queue", True), bool):
            raise InputError(f"the action {messages.quote(name)}: queue takes true or false")
        return cls(
            name=action_naming.action(name),
            action=action_naming.action(answer.get("action", name)),
            version=action_naming.version(answer.get("version", 1)),
            queue=answer.get("queue", True),
            concurrency=naming.concurrency(answer["concurrency"]) if "concurrency" in answer else None,
            timeout=action_naming.timeout(answer["timeout"]) if "timeout" in answer else None,
        )

    def answer(self) -> dict[str, Any]:
        """The action as an entry of the answer `actions`: what is not as it is anyway."""
        options = {
            "action": (self.action, self.name),
            "version": (self.version, 1),
            "queue": (self.queue, True),
            "concurrency": (self.concurrency, None),
            "timeout": (self.timeout, None),
        }
        return {key: value for key, (value, otherwise) in options.items() if value != otherwise}

    def subject_in(self, service: str) -> str:
        """The subject that it answers on, without the prefix that `ACTION_PREFIX` may put in front."""
        return f"v{self.version}.{service}.{self.action}"


def check(answer: Mapping[str, Any]) -> None:
    """Checks the answer `actions` as a whole.

    Raises:
        InputError: an action breaks a rule, or two have one subject.
    """
    seen: dict[tuple[str, int], str] = {}
    for name, entry in answer.items():
        one = Action.from_answer(name, entry)
        other = seen.setdefault((one.action, one.version), name)
        if other != name:
            raise InputError(
                f"the actions {messages.quote(other)} and {messages.quote(name)} are both version {one.version} of "
                f"{messages.quote(one.action)}: give one another version"
            )


def names_of(answer: Mapping[str, Any]) -> tuple[str, ...]:
    """The actions' own names in a checked answer `actions`, in its order, each once."""
    return tuple(dict.fromkeys(entry.get("action", name) for name, entry in answer.items()))


def named(names: Sequence[str], version: int) -> dict[str, Any]:
    """The answer `actions` for checked names of one version.

    Raises:
        InputError: a name is there twice.
    """
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise InputError(f"the action {messages.quote(twice)} is given twice: a service answers one version of it once")
    return {name: Action(name, name, version).answer() for name in names}
