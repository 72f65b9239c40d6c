"""What the source of a service says about its actions, read without importing it."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import ClassVar

from natsgen.errors import InputError
from natsgen.parts import source
from natsgen.parts.actions import Action
from natsgen.parts.kinds import ACTIONS, PartKind
from natsgen.parts.source import Function, Value

_DECORATOR = "action"


@dataclass(frozen=True)
class FoundAction:
    """A function that answers requests.

    Attributes:
        name: of the function.
        line: where it begins.
        action: the action's own name; None where the decorator names nothing.
        options: the decorator's other arguments, by name.
    """

    name: str
    line: int
    action: Value | None
    options: dict[str, Value]

    @property
    def version(self) -> Value:
        """The action's version, or the expression that makes it."""
        return self.options.get("version", Value("1", 1))

    @property
    def is_for_all(self) -> bool:
        """Whether every instance of the service answers each request."""
        queue = self.options.get("queue")
        return queue is not None and queue.literal is False

    def subject_in(self, service: str) -> Value:
        """The subject that it answers on, without a prefix; no literal where a part of it is none."""
        given = self.options.get("subject")
        if given is not None and given.source != "None":
            return given
        parts = (self.version, self.action or Value("", None))
        number, name = (part.text if part.literal is not None else f"{{{part.source}}}" for part in parts)
        text = f"v{number}.{service}.{name}"
        return Value(text, text if all(part.literal is not None for part in parts) else None)


@dataclass(frozen=True)
class ActionFile:
    """An `*_action.py`.

    Attributes:
        path: in the service's folder.
        actions: those in it, in their order.
        error: why it cannot be read; "" if it can.
    """

    kind: ClassVar[PartKind] = ACTIONS

    path: PurePosixPath
    actions: tuple[FoundAction, ...]
    error: str = ""

    @property
    def name(self) -> str:
        """The name of the action that a file of this name is made for."""
        return self.path.name.removesuffix(ACTIONS.suffix)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the functions in it."""
        return tuple(action.name for action in self.actions)

    def as_made(self) -> Action:
        """The action that a command would have made the file for, if it has made it.

        Raises:
            InputError: no command makes such a file.
        """
        found = self.actions[0] if len(self.actions) == 1 else None
        if found is None or found.name != self.name or found.action is None:
            raise InputError(f"{self.path} holds something else than one action {self.name}")
        options = {key: value.literal for key, value in found.options.items()}
        return Action.from_answer(found.name, {"action": found.action.literal, **options})


def action_files(service: Path) -> tuple[ActionFile, ...]:
    """The action files in a service's folder, sorted; one that cannot be read says why and hides no other."""
    return tuple(_action_file(service / path, path) for path in source.paths(service, ACTIONS))


def actions_in(module: ast.Module) -> tuple[FoundAction, ...]:
    """The functions of a module that `@action(...)` decorates."""
    return tuple(_found(function, call) for function, call in source.decorated(module, _DECORATOR))


def _action_file(file: Path, path: PurePosixPath) -> ActionFile:
    try:
        actions = source.read(file, actions_in)
    except ValueError as error:
        return ActionFile(path, (), str(error))
    return ActionFile(path, actions, "" if actions else f"there is no @{_DECORATOR} in it")


def _found(function: Function, decorator: ast.Call) -> FoundAction:
    name, options = source.arguments(decorator, "name")
    return FoundAction(name=function.name, line=function.lineno, action=name, options=options)
