"""Routes: functions of a gateway that answer an HTTP request by calling an action or by publishing."""

from __future__ import annotations

import ast
import keyword
import re
from collections.abc import Collection, Hashable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from natsgen import messages
from natsgen.parts import naming, sends, source
from natsgen.parts.kind import FoundPart, Option, Part, PartKind
from natsgen.parts.rules import KEYWORDS, Choice, Name, Text, matching, sent_subject
from natsgen.parts.source import Function, Value, joined

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
PATH_MAX_LENGTH = 200
PARAMETER_MAX_LENGTH = 40  # so that its line in a test fits, with a value beside it
FORM = "METHOD PATH=SUBJECT for a call, or METHOD PATH=publish:SUBJECT"
EXAMPLE = "POST /greet=v1.greeter.greet"

# The paths that every gateway answers itself.
RESERVED_PATHS = frozenset({"/healthz", "/readyz", "/metrics", "/stats", "/docs", "/redoc", "/openapi.json"})

# A route's function has the route's name, and its models begin with it, next to these in its file and in its test;
# copier.yml refuses the same.
_RESERVED = frozenset(
    {"annotations", "body", "client", "event", "http", "nats", "payload", "publish", "pytest", "read", "request"}
    | {"response", "route", "router", "str", "uuid4"}
)

# A parameter is an argument of the function, which uses these; copier.yml refuses the same.
RESERVED_PARAMETERS = frozenset({"body", "event", "nats", "payload", "publish", "read", "request", "str", "uuid4"})

_SEGMENT = re.compile(r"[A-Za-z0-9._~-]+")
_IN_BRACES = re.compile(r"\{([^{}]*)\}")
_PARAMETER = re.compile(r"[a-z][A-Za-z0-9_]*")
_SENDS = ("call", "publish")


@dataclass(frozen=True)
class Route(Part):
    """A route.

    Attributes:
        method: the HTTP method.
        path: the path, with its parameters in braces.
        call: the subject of the action that it calls, whose reply it returns; None if it publishes.
        publish: the JetStream subject that it publishes to; None if it calls.
    """

    method: str
    path: str
    call: str | None = None
    publish: str | None = None

    @classmethod
    def from_text(cls, text: str, name: str | None, **options: Any) -> Route:
        """Return the route for a command's argument."""
        checked = None if name is None else messages.located("--name", ROUTES.name.check, name)
        return messages.located("ROUTE", partial(from_text, name=checked), text)

    @property
    def subject(self) -> str:
        """Return the subject that it calls or publishes to."""
        return self.call or self.publish or ""

    @property
    def does(self) -> str:
        """Return the requests that it answers."""
        return f"{self.method} {self.path}"

    @property
    def key(self) -> Hashable:
        """Return its method and its path without parameter names."""
        return self.method, without_names(self.path)

    def facts(self, service: str) -> dict[str, object]:
        """Return what it answers and how."""
        return self.to_answer()  # type: ignore[no-any-return]

    def story(self, service: str) -> str:
        """Return what it answers and how."""
        return f"answers {self.does} and {f'calls {self.call}' if self.call else f'publishes to {self.publish}'}"

    def other_name(self, taken: Sequence[str]) -> str:
        """Return a name from more tokens of its subject."""
        return name_for(self.subject, publishes=self.publish is not None, taken=taken)


@dataclass(frozen=True)
class FoundRoute(FoundPart):
    """A function that answers HTTP requests; the decorator's first argument is the method.

    Attributes:
        path: the path; None if the decorator has none.
        calls: the subjects that it calls.
        publishes: the subjects that it publishes to.
    """

    path: Value | None = None
    calls: tuple[Value, ...] = ()
    publishes: tuple[Value, ...] = ()

    @classmethod
    def all_in(cls, module: ast.Module) -> tuple[FoundRoute, ...]:
        """Return the functions with `@router.post(...)` and the like (FastAPI), or with `@route(...)` (Django)."""
        found = [_found(function, method, path) for function, method, path in _for_fastapi(module)]
        for function, call in source.decorated(module, "route"):
            method, options = source.arguments(call, "method")
            path = source.value(call.args[1]) if len(call.args) > 1 else options.get("path")
            found.append(_found(function, method, path))
        return tuple(sorted(found, key=lambda route: route.line))

    def answer(self) -> dict[str, object] | None:
        """Return the answer that a command would have created it from."""
        sent = [("call", one.literal) for one in self.calls] + [("publish", one.literal) for one in self.publishes]
        if self.first is None or self.path is None or len(sent) != 1:
            return None
        return {"method": self.first.literal, "path": self.path.literal, **dict(sent)}

    def about(self, service: str) -> Value:
        """Return the requests that it answers; a literal only if all its parts are literals."""
        return joined("{} {}", self.first, self.path)

    def key(self, service: str) -> Hashable:
        """Return its method and its path; None if they are not literals."""
        if self.first is None or self.path is None or not (self.first.is_text and self.path.is_text):
            return None
        return self.first.text.upper(), without_names(self.path.text)

    def remark(self, service: str) -> str:
        """Return what it calls and publishes to."""
        return (
            ", ".join(
                [f"calls {one.shown}" for one in self.calls] + [f"publishes {one.shown}" for one in self.publishes]
            )
            or "route"
        )

    def facts(self, service: str) -> dict[str, object]:
        """Return its fields in JSON documents."""
        return {
            "method": self.first.text if self.first else None,
            "path": self.path.text if self.path else None,
            "request_is_literal": self.about(service).is_text,
            "calls": [subject.text for subject in self.calls],
            "publishes": [subject.text for subject in self.publishes],
        }


def without_names(path: str) -> str:
    """Return a path with empty braces; two paths that are equal then match the same requests."""
    return _IN_BRACES.sub("{}", path)


def name_for(subject: str, *, publishes: bool, taken: Collection[str] = ()) -> str:
    """Return a name for the route to a subject.

    Args:
        subject: the checked subject.
        publishes: whether the route publishes; the name is then that of the subject's handler, not of an action.
        taken: names of other routes; more of the subject's last tokens make the name differ from them.
    """
    tokens = subject.split(".")
    depths = range(min(2 if publishes else 1, len(tokens)), len(tokens) + 1)
    names = [name for depth in depths if (name := ROUTES.name.from_text(" ".join(tokens[-depth:])))]
    names = names or [f"route_{'publish' if publishes else 'call'}"]
    return next((name for name in names if name not in taken), naming.free(names[0], taken))


def from_text(text: str, name: str | None = None, taken: Collection[str] = ()) -> Route:
    """Return the route for a text on a command line.

    Args:
        text: such as `POST /greet=v1.greeter.greet` or `POST /orders=publish:orders.order.created`.
        name: the checked name of the route; None to derive it from the subject.
        taken: names that must not be derived.

    Raises:
        InputError: the text is not in that form, or a part of it is invalid.
    """
    request, separator, target = text.partition("=")
    words = [word for word in request.split(" ") if word]
    if not separator or len(words) != 2:
        raise messages.invalid("route", text, f"use {FORM}, such as {EXAMPLE!r}")
    verb, separator, rest = target.strip(" ").partition(":")
    if separator and verb not in _SENDS:
        raise messages.invalid("route", text, f"use call or publish before the :, not {messages.quote(verb)}")
    verb, subject = (verb, rest) if separator else ("call", verb)
    checked = {
        "method": ROUTES.option("method").check(words[0].upper()),
        "path": ROUTES.option("path").check(words[1]),
        verb: ROUTES.option(verb).check(subject),
    }
    proposed = name or name_for(checked[verb], publishes=verb == "publish", taken=taken)
    return Route(proposed, **checked)


def from_texts(texts: Sequence[str]) -> tuple[Route, ...]:
    """Return the routes for texts on a command line, with distinct names.

    Raises:
        InputError: a route is invalid, or two answer the same requests.
    """
    found: dict[str, Route] = {}
    for text in texts:
        route = from_text(text, taken=found)
        found[route.name] = route
    ROUTES.refuse_same(list(found.values()))
    return tuple(found.values())


def _path_problem(text: str) -> str:
    if not text.startswith("/"):
        return "use a path that starts with /, such as '/orders/{order_id}'"
    if len(text) > PATH_MAX_LENGTH:
        return f"it has {len(text)} characters of at most {PATH_MAX_LENGTH}"
    if text in RESERVED_PATHS:
        return "every gateway answers that itself"
    segments = text.removeprefix("/").split("/") if text != "/" else []
    for number, segment in enumerate(segments, start=1):
        if problem := _segment_problem(segment, is_last=number == len(segments)):
            return problem
    names = _IN_BRACES.findall(text)
    if twice := next((name for name in names if names.count(name) > 1), None):
        return f"it contains the parameter {messages.quote(twice)} twice"
    return ""


def _segment_problem(segment: str, *, is_last: bool) -> str:
    if not segment:
        return "omit the trailing /" if is_last else "it has nothing between two slashes"
    if segment in (".", ".."):
        return f"clients remove {segment} from a path before they send it"
    if found := _IN_BRACES.fullmatch(segment):
        return _parameter_problem(found[1])
    if not _SEGMENT.fullmatch(segment):
        takes = "use letters, digits, -, ., _ and ~ in a segment, or a single {parameter}"
        return f"{takes}, not {messages.quote(segment)}"
    return ""


def _parameter_problem(name: str) -> str:
    shown = f"the parameter {messages.quote(name)}"
    if len(name) > PARAMETER_MAX_LENGTH or not _PARAMETER.fullmatch(name):
        return (
            f"{shown} is invalid: use letters, digits and _, starting with a lower-case letter, at most "
            f"{PARAMETER_MAX_LENGTH} characters"
        )
    if keyword.iskeyword(name):
        return f"{shown} is a Python keyword; rename it"
    if name in RESERVED_PARAMETERS:
        return f"{shown} would hide a name that the route's function uses; rename it"
    return ""


def _path_schema() -> dict[str, Any]:
    """Return the JSON Schema of the paths that `_path_problem` finds nothing wrong with."""
    segment = rf"({_SEGMENT.pattern}|\{{{_PARAMETER.pattern}\}})"
    wrong_names = "|".join(sorted(RESERVED_PARAMETERS | KEYWORDS))
    wrong: list[dict[str, Any]] = [
        {"enum": sorted(RESERVED_PATHS)},
        {"pattern": r"/\.\.?(/|$)"},
        {"pattern": rf"\{{({wrong_names}|[^}}]{{{PARAMETER_MAX_LENGTH + 1},}})\}}"},
        {"pattern": r"\{([^}]*)\}.*\{\1\}"},
    ]
    return matching(rf"/({segment}(/{segment})*)?", PATH_MAX_LENGTH, **{"not": {"anyOf": wrong}})


ROUTES = PartKind(
    noun="route",
    name=Name("route", _RESERVED, "route"),
    part=Route,
    argument=(
        "ROUTE",
        "METHOD PATH=SUBJECT: the action that it calls; or METHOD PATH=publish:SUBJECT: what it publishes to.",
    ),
    proposal="the action's, or that of the event's handler",
    options=(
        Option("method", Choice("method of a route", METHODS)),
        Option("path", Text("path of a route", _path_problem, _path_schema())),
        Option("call", sent_subject("route", "sent to")),
        Option("publish", sent_subject("route", "sent to")),
    ),
    found=FoundRoute,
    decorator="route",
    missing="@router.post, @route or the like",
    place="src/web",
    package="web",
    either=_SENDS,
    does=("serves", "route"),
    unique="another method or path",
    for_gateways=True,
    abouts="requests",
    goodbye="{service} no longer answers {about}.",
)


def _for_fastapi(module: ast.Module) -> Iterator[tuple[Function, Value, Value | None]]:
    prefixes = _prefixes_in(module)
    for method in METHODS:
        for function, call in source.decorated(module, method.lower()):
            if not isinstance(call.func, ast.Attribute):
                continue  # a plain function of that name, not a router's method
            path, _ = source.arguments(call, "path")
            prefix = prefixes.get(ast.unparse(call.func.value), "")
            if path is not None and path.is_text:
                path = Value(path.source, prefix + path.text)
            yield function, Value(repr(method), method), path


def _prefixes_in(module: ast.Module) -> dict[str, str]:
    """Return the prefixes of the routers that a module creates, by the router's name."""
    found = {}
    for node in module.body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
            prefix = source.arguments(node.value, "")[1].get("prefix")
            names = [target.id for target in node.targets if isinstance(target, ast.Name)]
            found.update({name: prefix.text for name in names if prefix is not None and prefix.is_text})
    return found


def _found(function: Function, method: Value | None, path: Value | None) -> FoundRoute:
    found = [one for one in sends.sent_in(function) if source.called_name(one.call) in _SENDS]
    sent = [(one.verb, source.value(one.subject)) for one in found]
    calls = tuple(subject for verb, subject in sent if verb == sends.CALLS)
    publishes = tuple(subject for verb, subject in sent if verb == sends.PUBLISHES)
    return FoundRoute(function.name, function.lineno, method, {}, path, calls, publishes)
