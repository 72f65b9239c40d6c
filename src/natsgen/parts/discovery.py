"""What the source of a service says, read without importing it: its handlers, settings and published subjects."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import ClassVar

from natsgen.errors import InputError
from natsgen.parts import source
from natsgen.parts.handlers import Handler
from natsgen.parts.kinds import HANDLERS, PartKind
from natsgen.parts.source import Function, Value

CONFIG_FILE = PurePosixPath("src/config.py")
_DECORATOR = "subscriber"
_PREFIX = "handle_"


@dataclass(frozen=True)
class FoundHandler:
    """A function with a subscription.

    Attributes:
        name: the handler's name, as the worker derives it: `handle_order_created` is `order_created`.
        line: where it begins.
        subject: what it listens to; None where the decorator names nothing.
        options: the decorator's other arguments, by name.
        batch: whether it takes a list of events.
    """

    name: str
    line: int
    subject: Value | None
    options: dict[str, Value]
    batch: bool

    def durable_in(self, service: str) -> str:
        """The name of its JetStream consumer, or the expression that makes it."""
        given = self.options.get("durable")
        return given.text if given and given.source != "None" else f"{service}-{self.name}"


@dataclass(frozen=True)
class HandlerFile:
    """A `*_handler.py`.

    Attributes:
        path: in the service's folder.
        handlers: those in it, in their order.
        error: why it cannot be read; "" if it can.
    """

    kind: ClassVar[PartKind] = HANDLERS

    path: PurePosixPath
    handlers: tuple[FoundHandler, ...]
    error: str = ""

    @property
    def name(self) -> str:
        """The name of the handler that a file of this name is made for."""
        return self.path.name.removesuffix(HANDLERS.suffix)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the handlers in it."""
        return tuple(handler.name for handler in self.handlers)

    def as_made(self) -> Handler:
        """The handler that a command would have made the file for, if it has made it.

        Raises:
            InputError: no command makes such a file.
        """
        found = self.handlers[0] if len(self.handlers) == 1 else None
        if found is None or found.name != self.name or found.subject is None:
            raise InputError(f"{self.path} holds something else than one handler {self.name}")
        options = {key: value.literal for key, value in found.options.items()}
        return Handler.from_answer(found.name, {"subject": found.subject.literal, "batch": found.batch, **options})


@dataclass(frozen=True)
class Setting:
    """A setting of the service: its environment name, its default as it is written ("" if it must be given)."""

    name: str
    default: str
    meaning: str


def handler_files(service: Path) -> tuple[HandlerFile, ...]:
    """The handler files in a service's folder, sorted; one that cannot be read says why and hides no other."""
    return tuple(_handler_file(service / path, path) for path in source.paths(service, HANDLERS))


def handlers_in(module: ast.Module) -> tuple[FoundHandler, ...]:
    """The functions of a module that `@subscriber(...)` decorates."""
    return tuple(_found(function, call) for function, call in source.decorated(module, _DECORATOR))


def settings_of(service: Path) -> tuple[Setting, ...]:
    """The settings that the classes in a service's `src/config.py` declare, in their order.

    Raises:
        ValueError: the file cannot be read or parsed; the message says why.
    """
    return source.read(service / CONFIG_FILE, _settings_in)


def published_by(service: Path) -> tuple[str, ...]:
    """The subjects in a source's `publish("...")` and `@publishes("...")`, sorted; what does not parse is left out."""
    subjects: set[str] = set()
    for file in source.all_files(service / "src"):
        try:
            subjects.update(source.read(file, _published_in))
        except ValueError:
            continue  # a handler's error is told with the handlers
    return tuple(sorted(subjects))


def _handler_file(file: Path, path: PurePosixPath) -> HandlerFile:
    try:
        handlers = source.read(file, handlers_in)
    except ValueError as error:
        return HandlerFile(path, (), str(error))
    return HandlerFile(path, handlers, "" if handlers else f"there is no @{_DECORATOR} in it")


def _found(function: Function, decorator: ast.Call) -> FoundHandler:
    subject, options = source.arguments(decorator, "subject")
    return FoundHandler(
        name=function.name.removeprefix(_PREFIX),
        line=function.lineno,
        subject=subject,
        options=options,
        batch=_takes_list(function.args),
    )


def _takes_list(arguments: ast.arguments) -> bool:
    parameters = [*arguments.posonlyargs, *arguments.args]
    annotation = parameters[0].annotation if parameters else None
    name = annotation.value if isinstance(annotation, ast.Subscript) else annotation
    return isinstance(name, ast.Name) and name.id in ("list", "List")


def _settings_in(module: ast.Module) -> tuple[Setting, ...]:
    classes = [node for node in module.body if isinstance(node, ast.ClassDef) and _is_settings(node)]
    return tuple(_setting(node) for one in classes for node in one.body if _is_setting(node))


def _is_settings(node: ast.ClassDef) -> bool:
    return any("Settings" in ast.unparse(base) for base in node.bases) and "Source" not in ast.unparse(node.bases[0])


def _is_setting(node: ast.stmt) -> bool:
    if not isinstance(node, ast.AnnAssign) or not isinstance(node.target, ast.Name) or node.target.id.startswith("_"):
        return False
    return "ClassVar" not in ast.unparse(node.annotation)


def _setting(node: ast.stmt) -> Setting:
    assert isinstance(node, ast.AnnAssign)
    assert isinstance(node.target, ast.Name)
    name, value = node.target.id, node.value
    if not (isinstance(value, ast.Call) and source.called_name(value) == "Field"):
        return Setting(name, "" if value is None else ast.unparse(value), "")
    arguments = {keyword.arg: keyword.value for keyword in value.keywords}
    default = value.args[0] if value.args else arguments.get("default")
    if default is not None:
        shown = ast.unparse(default)
    else:
        shown = f"{ast.unparse(arguments['default_factory'])}()" if "default_factory" in arguments else ""
    description = arguments.get("description")
    return Setting(name, "" if shown == "..." else shown, source.value(description).text if description else "")


def _published_in(module: ast.Module) -> tuple[str, ...]:
    calls = [node for node in ast.walk(module) if isinstance(node, ast.Call)]
    named = [call for call in calls if source.called_name(call) in ("publish", "publishes") and call.args]
    subjects = [source.value(call.args[0]).literal for call in named]
    return tuple(subject for subject in subjects if isinstance(subject, str))
