"""A worker that somebody wrote by hand in the reference structure: what it says of itself, read without running it."""

from __future__ import annotations

import ast
import json
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from natsgen.errors import InputError, ServiceError
from natsgen.files import reading
from natsgen.parts import discovery, source
from natsgen.parts.handlers import Handler
from natsgen.parts.kinds import HANDLERS

REGISTRATION = HANDLERS.folder / "__init__.py"
_PACKAGE = ".".join(HANDLERS.folder.parts)
_SUBSCRIBE = "subscribe"
_DECORATOR = ("src.infrastructure.subscription", "subscriber")


@dataclass(frozen=True)
class Registered:
    """A handler that `register_handlers` subscribes.

    Attributes:
        handler: what it listens to.
        function: its name in its module.
        file: its module, in the service's folder.
    """

    handler: Handler
    function: str
    file: PurePosixPath


@dataclass(frozen=True)
class Handwritten:
    """What could be found out.

    Attributes:
        handlers: those that it registers.
        context: its bounded context; "" if it names none.
        python: the Python of its image; "" if it names none.
        image: what its image is based on, such as slim; "" if it does not say.
    """

    handlers: tuple[Registered, ...]
    context: str
    python: str
    image: str


def read(service: Path) -> Handwritten:
    """Reads the service in a folder.

    Raises:
        ServiceError: it registers its handlers otherwise than the reference does; the message says what is missing.
    """
    return Handwritten(_handlers(service), _context(service), *_image(service))


def is_written(service: Path) -> bool:
    """Return whether the service still registers its handlers as the reference does."""
    try:
        return bool(_handlers(service))
    except ServiceError:
        return False


def decorated(content: bytes, registered: Registered) -> bytes:
    """The text of a handler's file with the subscription on the handler; all else in it stays as it is.

    Raises:
        ServiceError: the function is not in it.
    """
    module = ast.parse(content)
    functions = [node for node in module.body if isinstance(node, source.Function)]
    wanted = next((node for node in functions if node.name == registered.function), None)
    if wanted is None:
        raise ServiceError(f"{registered.file} has no function {registered.function}, which {REGISTRATION} registers")
    if any(wanted is node for node, _ in source.decorated(module, _DECORATOR[1])):
        return content
    lines = content.decode().splitlines(keepends=True)
    first = min([wanted.lineno, *(one.lineno for one in wanted.decorator_list)]) - 1
    lines.insert(first, f"{_subscription(registered.handler)}\n")
    lines.insert(_place_of_import(module), f"from {_DECORATOR[0]} import {_DECORATOR[1]}\n")
    return "".join(lines).encode()


def _handlers(service: Path) -> tuple[Registered, ...]:
    file = service / REGISTRATION
    try:
        module = ast.parse(reading.read_bytes(file, reading.SOURCE_LIMIT))
    except OSError as error:
        raise ServiceError(f"{file}: {error.strerror}: a worker of the reference structure registers there") from error
    except (SyntaxError, ValueError) as error:
        raise ServiceError(f"{file} is no Python: {error}") from error
    modules = _modules(module)
    calls = [node for node in ast.walk(module) if isinstance(node, ast.Call)]
    calls = [call for call in calls if source.called_name(call) == _SUBSCRIBE]
    if not calls:
        raise ServiceError(f"{file} subscribes no handler: it takes nats.subscribe(subject=..., handler=...) calls")
    return tuple(_registered(service, call, modules) for call in sorted(calls, key=lambda call: call.lineno))


def _modules(module: ast.Module) -> dict[str, tuple[str, str]]:
    """The module in the folder of handlers, and the name there, of each name that is imported from one."""
    found = {}
    for node in module.body:
        if isinstance(node, ast.ImportFrom) and node.module:
            stem = node.module.removeprefix(f"{_PACKAGE}.") if node.level == 0 else node.module
            found.update({name.asname or name.name: (stem, name.name) for name in node.names})
    return found


def _registered(service: Path, call: ast.Call, modules: dict[str, tuple[str, str]]) -> Registered:
    where = f"{service / REGISTRATION}, line {call.lineno}"
    subject, options = source.arguments(call, "subject")
    handlers = [options["handler"].source] if "handler" in options else [ast.unparse(one) for one in call.args[1:2]]
    function = "".join(handlers)
    if subject is None or not subject.is_text or function not in modules:
        raise ServiceError(f"{where}: it takes a subject in quotes, and a handler imported from a file beside it")
    stem, name = modules[function]
    file = HANDLERS.folder / f"{stem}.py"
    if not file.name.endswith(HANDLERS.suffix) or not (service / file).is_file():
        raise ServiceError(f"{where}: {function} must be in a file *{HANDLERS.suffix} beside it, not in {file.name}")
    durable = options["durable"].literal if "durable" in options else None
    title = file.name.removesuffix(HANDLERS.suffix)
    try:
        handler = Handler.from_answer(title, {"subject": subject.literal, "durable": durable})
    except InputError as error:
        raise ServiceError(f"{where}: {error}") from error
    default = f"{service.name}-{name.removeprefix('handle_')}"
    if handler.durable == default:
        handler = Handler(handler.name, handler.subject)
    return Registered(handler, name, file)


def _subscription(handler: Handler) -> str:
    options = [json.dumps(handler.subject)]
    if handler.durable is not None:
        options.append(f"durable={json.dumps(handler.durable)}")
    return f"@subscriber({', '.join(options)})"


def _place_of_import(module: ast.Module) -> int:
    """The index of the line before which the import goes, in the order that tools sort imports in."""
    imports = [node for node in module.body if isinstance(node, ast.Import | ast.ImportFrom)]
    for node in imports:
        name = (node.module or "") if isinstance(node, ast.ImportFrom) else ""
        if name.startswith("src.") and name > _DECORATOR[0]:
            return node.lineno - 1
    if imports:
        return imports[-1].end_lineno or 0
    first = module.body[0] if module.body else None
    is_docstring = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    return (first.end_lineno or 0) if first is not None and is_docstring else 0


def _context(service: Path) -> str:
    try:
        settings = {setting.name: setting.default for setting in discovery.settings_of(service)}
    except ValueError:
        return ""
    try:
        found = ast.literal_eval(settings.get("BOUNDED_CONTEXT", ""))
    except (ValueError, SyntaxError):
        return ""
    return found if isinstance(found, str) else ""


def _image(service: Path) -> tuple[str, str]:
    """The Python in the service's image, and what that is based on."""
    try:
        text = reading.read_text(service / "Dockerfile")
    except (OSError, ValueError):
        return "", ""
    found = re.search(r"^FROM\s+\S*python:(\d+\.\d+)[\d.]*(?:-([a-z]+))?", text, re.MULTILINE)
    return (found[1], found[2] or "") if found else ("", "")
