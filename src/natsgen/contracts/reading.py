"""Reads from source what a service sends and receives, without importing it."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

from natsgen.contracts.models import Schema, SchemaReader, Type
from natsgen.contracts.modules import Modules
from natsgen.contracts.payloads import Payloads, argument, typed
from natsgen.files.workspace import SERVICES
from natsgen.parts import sends, source
from natsgen.parts.handlers import FoundHandler, stream_for
from natsgen.parts.kind import FoundPart
from natsgen.parts.kinds import KINDS
from natsgen.parts.sends import Sent
from natsgen.parts.source import Function, Value
from natsgen.parts.tasks import TASKS, FoundTask, stream_of

OWNERS = (PurePosixPath("src/domain"), PurePosixPath("src/web/routes"))
"""The folders of the owner's code."""

RECEIVERS = ("handler", "task", "action", "subscriber")
"""The kinds of parts that receive messages."""

_SUBSCRIPTION = ("src.infrastructure.subscription", "Subscription")
_DECLARED = {"handler": _SUBSCRIPTION, "task": _SUBSCRIPTION, "action": ("src.actions.action", "Action")}
_NO_PAYLOAD = ("Context", "Message")


@dataclass(frozen=True)
class End:
    """One end of a flow of messages: what sends them, or what receives them.

    Attributes:
        service: the service.
        part: the part; "" for code that belongs to none.
        kind: what the part is, such as `handler`; for a sender, what it does, such as `publishes`.
        subject: the subject; it may have wildcards.
        place: the file in the workspace, and the line.
        type: the annotation of the payload; None if it is unknown.
        schema: its JSON schema; None if it is unknown.
        reply: the annotation of the reply to a request; None if it is unknown.
        reply_schema: its JSON schema; None if it is unknown.
        stream: the stream that stores its messages; "" for none.
        durable: its JetStream consumer; "" for none.
        options: its options, with their default values; None for an unknown value.
        is_constant: whether the subject is one text in the source, not put together.
    """

    service: str
    part: str
    kind: str
    subject: str
    place: str
    type: Type | None = None
    schema: Schema | None = None
    reply: Type | None = None
    reply_schema: Schema | None = None
    stream: str = ""
    durable: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    is_constant: bool = True

    @property
    def is_sent(self) -> bool:
        """Return whether it sends."""
        return self.kind not in RECEIVERS

    @property
    def who(self) -> str:
        """Return its part, or only its service."""
        return f"{self.service}.{self.part}" if self.part else self.service


@dataclass(frozen=True)
class Surface:
    """Holds what a service sends and receives.

    Attributes:
        service: its name.
        senders: what sends.
        receivers: what receives.
        unread: files and subjects that could not be read, each with its place.
        untold: annotations whose schema is not known in full, each with its module.
    """

    service: str
    senders: tuple[End, ...]
    receivers: tuple[End, ...]
    unread: tuple[str, ...] = ()
    untold: tuple[str, ...] = ()

    @property
    def unknown(self) -> tuple[str, ...]:
        """Return what could not be read."""
        return (*self.unread, *(f"{SERVICES}/{self.service}: no schema of {one}" for one in self.untold))


def read(folder: Path) -> Surface:
    """Read the service in a folder."""
    return _Reader(folder).surface()


class _Reader:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._service = folder.name
        self._modules = Modules(folder)
        self._schemas = SchemaReader(self._modules)
        self._payloads = Payloads(self._modules)
        self._defaults = {kind: dict(self._defaults_of(*place)) for kind, place in _DECLARED.items()}
        self._unread: list[str] = []

    def surface(self) -> Surface:
        ends: dict[tuple[str, str, str], End] = {}
        for file in (file for owners in OWNERS for file in source.all_files(self._folder / owners)):
            path = PurePosixPath(file.relative_to(self._folder))
            try:
                found = [*self._ends(path)]
            except (RecursionError, ValueError):  # of `ast.unparse` as well
                self._unread.append(f"{self._place(path)}: an expression cannot be read")
                continue
            for end in found:
                key = (end.part, end.kind, end.subject)
                if key not in ends or (end.type and not ends[key].type):
                    ends[key] = end
        of_parts = {(kind, subject) for part, kind, subject in ends if part}
        kept = [end for end in ends.values() if end.part or (end.kind, end.subject) not in of_parts]
        return Surface(
            self._service,
            tuple(end for end in kept if end.is_sent),
            tuple(end for end in kept if not end.is_sent),
            tuple(self._unread),
            tuple(self._schemas.unread),
        )

    def _ends(self, path: PurePosixPath) -> Iterator[End]:
        module = ".".join(path.with_suffix("").parts).removesuffix(".__init__")
        tree = self._modules.tree(module)
        if tree is None:
            why = self._modules.problems.get(path, "it is not a module of the service")
            self._unread.append(f"{self._place(path)}: {why}")
            return
        parts = _parts_in(path, tree)
        for function, part in parts:
            if part.kind.noun in RECEIVERS and (end := self._receiver(path, module, part, function)):
                yield end
        yield from self._senders(path, module, tree, parts)

    def _receiver(self, path: PurePosixPath, module: str, part: FoundPart, function: Function) -> End | None:
        known = self._resolved(module, part)
        about = known.about(self._service)
        if about is None or not about.is_text:
            self._skip(path, part.line, f"the subject of {part.name} is an expression: {about.source if about else ''}")
            return None
        first = next((one for one in function.args.args if one.arg != "resources"), None)
        taken = first.annotation if first else None
        if taken is None or ast.unparse(taken) in _NO_PAYLOAD:
            taken = None
        elif isinstance(part, FoundHandler) and part.batch and isinstance(taken, ast.Subscript):
            taken = taken.slice
        consumers = known.on_server(self._service)
        is_action = part.kind.noun == "action"
        own: dict[str, Any] = {name: value.literal for name, value in known.options.items()}  # None for an expression
        if isinstance(known, FoundTask):
            own["schedule"] = known.recurs
        return self._with_schemas(
            End(
                self._service,
                known.first.text if isinstance(known, FoundTask) and known.first else known.name,
                part.kind.noun,
                about.text,
                self._place(path, part.line),
                type=Type(module, taken) if taken else None,
                reply=Type(module, function.returns) if is_action and function.returns else None,
                stream=consumers[-1].stream if consumers else "",
                durable=known.durable_in(self._service),
                options={**self._defaults.get(part.kind.noun, {}), **own},
            )
        )

    def _senders(
        self, path: PurePosixPath, module: str, tree: ast.Module, parts: Sequence[tuple[Function, FoundPart]]
    ) -> Iterator[End]:
        functions = {node: one for one in ast.walk(tree) if isinstance(one, Function) for node in ast.walk(one)}
        owners = {node: part for function, part in parts for node in ast.walk(function)}
        only = parts[0][1] if len({function for function, _ in parts}) == 1 else None
        for sent in sends.sent_in(tree):
            part, function = owners.get(sent.call, only), functions.get(sent.call)
            where, call, named = self._publisher(module, sent) or (module, sent.call, sent.subject)
            subject = self._task(where, named) if sent.verb == sends.ENQUEUES else self._modules.text(where, named)
            if subject is None:
                is_told = part is not None and "publishes" in part.options and not sent.is_declared
                if sent.verb != sends.PUBLISHES or not is_told:
                    self._skip(path, sent.call.lineno, f"the subject is an expression: {ast.unparse(named)}")
                continue
            core = next((one.value for one in call.keywords if one.arg == "core"), None)
            is_core = sent.is_core or getattr(core, "value", False) is True
            yield self._with_schemas(
                End(
                    self._service,
                    part.name if part else "",
                    sent.verb,
                    subject,
                    self._place(path, sent.call.lineno),
                    type=None if sent.is_declared else self._payloads.of_call(where, call, function),
                    reply=typed(where, argument(call, 9, "response")) if sent.verb == sends.CALLS else None,
                    stream="" if is_core else _stream(sent.verb, subject),
                    is_constant=isinstance(named, ast.Constant) and not sent.is_declared,
                )
            )

    def _publisher(self, module: str, sent: Sent) -> tuple[str, ast.Call, ast.expr] | None:
        """Return the `publisher(...)`, with its module and subject, over which something is published."""
        if sent.verb != sends.PUBLISHES or not isinstance(sent.call.func, ast.Attribute):
            return None
        match self._modules.resolve(module, sent.call.func.value):
            case (where, ast.Call() as call) if source.called_name(call) in sends.TOOLKIT_PUBLISHERS:
                subject = argument(call, 0, "subject")
                return (where, call, subject) if subject else None
        return None

    def _task(self, module: str, node: ast.expr) -> str | None:
        """Return the subjects of a task, given as its function or as `<queue>.<task>`."""
        match self._modules.resolve(module, node):
            case (where, ast.AsyncFunctionDef() as function):
                tree = self._modules.tree(where)
                found = source.decorated(tree, TASKS.decorator) if tree else []
                for part in (TASKS.found.of(one, call) for one, call in found if one is function):
                    about = self._resolved(where, part).about(self._service)
                    return about.text if about and about.is_text else None
        queue, _, task = (self._modules.text(module, node) or "").partition(".")
        return f"queue.{queue}.*.{task}" if task else None

    def _with_schemas(self, end: End) -> End:
        schema = self._schemas.schema(end.type, sends=end.is_sent) if end.type else None
        reply = self._schemas.schema(end.reply, sends=not end.is_sent) if end.reply else None
        return replace(end, schema=schema, reply_schema=reply)

    def _resolved(self, module: str, part: FoundPart) -> FoundPart:
        """Return a part with the values of the constants that its decorator names."""

        def resolved(value: Value) -> Value:
            text = None if value.is_text else self._modules.text(module, ast.parse(value.source, mode="eval").body)
            return value if text is None else Value(repr(text), text)

        options = {name: resolved(value) for name, value in part.options.items()}
        return replace(part, first=resolved(part.first) if part.first else None, options=options)

    def _defaults_of(self, module: str, name: str) -> Iterator[tuple[str, Any]]:
        match self._modules.find(module, name):
            case (_, ast.ClassDef(body=body)):
                for one in body:
                    if isinstance(one, ast.AnnAssign) and isinstance(one.value, ast.Constant):
                        yield ast.unparse(one.target), one.value.value

    def _place(self, path: PurePosixPath, line: int = 0) -> str:
        return f"{SERVICES}/{self._service}/{path}" + (f":{line}" if line else "")

    def _skip(self, path: PurePosixPath, line: int, why: str) -> None:
        self._unread.append(f"{self._place(path, line)}: {why}")


def _parts_in(path: PurePosixPath, tree: ast.Module) -> list[tuple[Function, FoundPart]]:
    """Return the parts in a module with their functions; one function may answer several versions of an action."""
    functions = {node.lineno: node for node in ast.walk(tree) if isinstance(node, Function)}
    kinds = [kind for kind in KINDS.values() if kind.folder == path.parent and path.name.endswith(kind.suffix)]
    return [(functions[part.line], part) for kind in kinds for part in kind.found.all_in(tree)]


def _stream(verb: str, subject: str) -> str:
    """Return the stream that stores what is sent; "" for none."""
    if verb == sends.ENQUEUES:
        return stream_of(subject.split(".")[1])
    return (stream_for(subject) or "") if verb == sends.PUBLISHES else ""
