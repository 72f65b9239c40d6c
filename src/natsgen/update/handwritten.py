"""Reads an existing worker of the reference structure, without running it."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from natsgen.errors import InputError, ServiceError
from natsgen.files import reading
from natsgen.parts import source
from natsgen.parts.handlers import HANDLERS, Handler
from natsgen.services import declared

REGISTRATION = HANDLERS.folder / "__init__.py"
_PACKAGE = ".".join(HANDLERS.folder.parts)
_SUBSCRIBE = "subscribe"
_DECORATOR = ("src.infrastructure.subscription", "subscriber")


@dataclass(frozen=True)
class Registered:
    """A handler that `register_handlers` subscribes.

    Attributes:
        handler: the handler.
        function: the name of its function.
        file: the file of its module, in the service's folder.
    """

    handler: Handler
    function: str
    file: PurePosixPath


@dataclass(frozen=True)
class Handwritten:
    """The facts about an existing worker.

    Attributes:
        handlers: the handlers that it registers.
        context: its bounded context; "" if unknown.
        python: the Python version of its image; "" if unknown.
        image: the variant of its base image, such as slim; "" if unknown.
    """

    handlers: tuple[Registered, ...]
    context: str
    python: str
    image: str


def read(service: Path) -> Handwritten:
    """Read the service in a folder.

    Raises:
        ServiceError: the service does not register its handlers as the reference does; the message says what is
            missing.
    """
    return Handwritten(_handlers(service), _context(service), *_image(service))


def is_written(service: Path) -> bool:
    """Return whether the service still registers its handlers as the reference does."""
    try:
        return bool(_handlers(service))
    except ServiceError:
        return False


def decorated(content: bytes, registered: Registered) -> bytes:
    """Return the text of a handler's file with the subscribing decorator added, and nothing else changed.

    Raises:
        ServiceError: the file does not contain the function.
    """
    import libcst as cst
    from libcst import matchers as m

    try:
        module = cst.parse_module(content)
    except (cst.ParserSyntaxError, UnicodeDecodeError, LookupError) as error:
        raise ServiceError(f"{registered.file} is not valid Python: {' '.join(str(error).split())}") from error
    body: list[Any] = list(module.body)
    wanted = m.FunctionDef(name=m.Name(registered.function))
    place = next((index for index, node in enumerate(body) if m.matches(node, wanted)), None)
    if place is None:
        raise ServiceError(f"{registered.file} has no function {registered.function}, which {REGISTRATION} registers")
    name = m.Name(_DECORATOR[1]) | m.Attribute(attr=m.Name(_DECORATOR[1]))
    if any(m.matches(one.decorator, name | m.Call(func=name)) for one in body[place].decorators):
        return content
    decorator = cst.Decorator(cst.parse_expression(_subscription(registered.handler)))
    body[place] = body[place].with_changes(decorators=[decorator, *body[place].decorators])
    index = _place_of_import(body[:place])
    added = cst.parse_statement(f"from {_DECORATOR[0]} import {_DECORATOR[1]}")
    if index < place:  # before another import, which may begin a group
        added = cst.ensure_type(added, cst.SimpleStatementLine).with_changes(leading_lines=body[index].leading_lines)
        body[index] = body[index].with_changes(leading_lines=[])
    return module.with_changes(body=[*body[:index], added, *body[index:]]).bytes


def _handlers(service: Path) -> tuple[Registered, ...]:
    file = service / REGISTRATION
    try:
        module = ast.parse(reading.read_bytes(file, reading.SOURCE_LIMIT))
    except OSError as error:
        raise ServiceError(
            f"{file}: {error.strerror}; a worker of the reference structure registers its "
            "handlers there; for another worker, run natsgen new and move its handlers"
        ) from error
    except (SyntaxError, ValueError) as error:
        raise ServiceError(f"{file} is not valid Python: {error}") from error
    modules = _modules(module)
    calls = [node for node in ast.walk(module) if isinstance(node, ast.Call)]
    calls = [call for call in calls if source.called_name(call) == _SUBSCRIBE]
    if not calls:
        raise ServiceError(f"{file} has no call such as nats.subscribe(subject=..., handler=...)")
    return tuple(_registered(service, call, modules) for call in sorted(calls, key=lambda call: call.lineno))


def _modules(module: ast.Module) -> dict[str, tuple[str, str]]:
    """Return the module and the original name of each name that is imported from the folder of handlers."""
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
        raise ServiceError(f"{where}: use a literal subject and a handler that is imported from a file beside it")
    stem, name = modules[function]
    file = HANDLERS.folder / f"{stem}.py"
    if not file.name.endswith(HANDLERS.suffix) or not (service / file).is_file():
        raise ServiceError(f"{where}: move {function} from {file.name} to a file *{HANDLERS.suffix} beside it")
    durable = options["durable"].literal if "durable" in options else None
    title = file.name.removesuffix(HANDLERS.suffix)
    try:
        given = {"subject": subject.literal} | ({} if durable is None else {"durable": durable})
        handler = Handler.from_answer(title, given)
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
    return f"{_DECORATOR[1]}({', '.join(options)})"


def _place_of_import(before: Sequence[Any]) -> int:
    """Return the index for the import among the statements before a handler, in the order of import sorters."""
    from libcst import matchers as m
    from libcst.helpers import get_full_name_for_node

    place = 0
    for index, node in enumerate(before):
        if m.matches(node, m.SimpleStatementLine(body=[m.ImportFrom(module=m.DoNotCare())])):
            name = get_full_name_for_node(node.body[0].module) or ""
            if name.startswith("src.") and name > _DECORATOR[0]:
                return index
        docstring = m.Expr(m.SimpleString() | m.ConcatenatedString())
        kinds = m.Import() | m.ImportFrom() if index else m.Import() | m.ImportFrom() | docstring
        if m.matches(node, m.SimpleStatementLine(body=[kinds, m.ZeroOrMore()])):
            place = index + 1
    return place


def _context(service: Path) -> str:
    try:
        settings = {setting.name: setting.default for setting in declared.settings_of(service)}
        found = ast.literal_eval(settings.get("BOUNDED_CONTEXT", ""))
    except (ValueError, SyntaxError):
        return ""
    return found if isinstance(found, str) else ""


def _image(service: Path) -> tuple[str, str]:
    """Return the Python version and the variant of the service's base image."""
    try:
        text = reading.read_text(service / "Dockerfile")
    except (OSError, ValueError):
        return "", ""
    found = re.search(r"^FROM\s+\S*python:(\d+\.\d+)[\d.]*(?:-([a-z]+))?", text, re.MULTILINE)
    return (found[1], found[2] or "") if found else ("", "")
