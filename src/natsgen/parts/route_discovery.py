"""What the source of a gateway says about its routes, read without importing it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import ClassVar

from natsgen.errors import InputError
from natsgen.parts import route_naming, source
from natsgen.parts.kinds import ROUTES, PartKind
from natsgen.parts.routes import Route
from natsgen.parts.source import Function, Value

_DJANGO = "route"  # @route("POST", "/greet")
_FASTAPI = {method.lower(): method for method in route_naming.METHODS}  # @router.post("/greet")
_SENDS = ("call", "publish")


@dataclass(frozen=True)
class FoundRoute:
    """A function that answers requests of HTTP.

    Attributes:
        name: of the function.
        line: where it begins.
        method: of the requests; None where the decorator names none.
        path: of the requests; None where the decorator names none.
        calls: the subjects that it calls.
        publishes: the subjects that it publishes to.
    """

    name: str
    line: int
    method: Value | None
    path: Value | None
    calls: tuple[Value, ...]
    publishes: tuple[Value, ...]

    @property
    def request(self) -> Value:
        """What it answers; no literal where a part of it is none."""
        parts = (self.method or Value("no method", None), self.path or Value("no path", None))
        text = " ".join(part.text if part.is_text else f"({part.source})" for part in parts)
        return Value(text, text if all(part.is_text for part in parts) else None)

    @property
    def key(self) -> tuple[str, str] | None:
        """What no other route of the gateway may have; None where it is not known."""
        if self.method is None or self.path is None or not (self.method.is_text and self.path.is_text):
            return None
        return self.method.text.upper(), route_naming.without_names(self.path.text)


@dataclass(frozen=True)
class RouteFile:
    """A `*_route.py`.

    Attributes:
        path: in the service's folder.
        routes: those in it, in their order.
        error: why it cannot be read; "" if it can.
    """

    kind: ClassVar[PartKind] = ROUTES

    path: PurePosixPath
    routes: tuple[FoundRoute, ...]
    error: str = ""

    @property
    def name(self) -> str:
        """The name of the route that a file of this name is made for."""
        return self.path.name.removesuffix(ROUTES.suffix)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the functions in it."""
        return tuple(route.name for route in self.routes)

    def as_made(self) -> Route:
        """The route that a command would have made the file for, if it has made it.

        Raises:
            InputError: no command makes such a file.
        """
        found = self.routes[0] if len(self.routes) == 1 else None
        if found is None or found.name != self.name or found.method is None or found.path is None:
            raise InputError(f"{self.path} holds something else than one route {self.name}")
        sent = [("call", one.literal) for one in found.calls] + [("publish", one.literal) for one in found.publishes]
        if len(sent) != 1:
            raise InputError(f"{self.path} calls or publishes something else than one subject")
        return Route.from_answer(found.name, {"method": found.method.literal, "path": found.path.literal, **dict(sent)})


def route_files(service: Path) -> tuple[RouteFile, ...]:
    """The route files in a service's folder, sorted; one that cannot be read says why and hides no other."""
    return tuple(_route_file(service / path, path) for path in source.paths(service, ROUTES))


def routes_in(module: ast.Module) -> tuple[FoundRoute, ...]:
    """The functions of a module that `@router.post(...)` decorates, as for FastAPI, or `@route(...)`, as for Django."""
    prefixes = _prefixes_in(module)
    found = [_found(function, method, path) for function, method, path in _for_fastapi(module, prefixes)]
    for function, call in source.decorated(module, _DJANGO):
        method, options = source.arguments(call, "method")
        path = source.value(call.args[1]) if len(call.args) > 1 else options.get("path")
        found.append(_found(function, method, path))
    return tuple(sorted(found, key=lambda route: route.line))


def _route_file(file: Path, path: PurePosixPath) -> RouteFile:
    try:
        routes = source.read(file, routes_in)
    except ValueError as error:
        return RouteFile(path, (), str(error))
    return RouteFile(path, routes, "" if routes else "there is no @router.post or @route in it, nor one of the kind")


def _for_fastapi(module: ast.Module, prefixes: dict[str, str]) -> Iterator[tuple[Function, Value, Value | None]]:
    for attribute, method in _FASTAPI.items():
        for function, call in source.decorated(module, attribute):
            if not isinstance(call.func, ast.Attribute):
                continue  # a function of that name, and none of a router
            path, _ = source.arguments(call, "path")
            prefix = prefixes.get(ast.unparse(call.func.value), "")
            if path is not None and path.is_text:
                path = Value(path.source, prefix + path.text)
            yield function, Value(repr(method), method), path


def _prefixes_in(module: ast.Module) -> dict[str, str]:
    """The prefix of each router that a module makes with one, by the router's name."""
    found = {}
    for node in module.body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
            prefix = source.arguments(node.value, "")[1].get("prefix")
            names = [target.id for target in node.targets if isinstance(target, ast.Name)]
            found.update({name: prefix.text for name in names if prefix is not None and prefix.is_text})
    return found


def _found(function: Function, method: Value | None, path: Value | None) -> FoundRoute:
    sent: dict[str, list[Value]] = {verb: [] for verb in _SENDS}
    for node in ast.walk(function):
        if isinstance(node, ast.Call) and (verb := source.called_name(node)) in sent:
            subject, _ = source.arguments(node, "subject")
            if subject is not None:
                sent[verb].append(subject)
    return FoundRoute(
        name=function.name,
        line=function.lineno,
        method=method,
        path=path,
        calls=tuple(sent["call"]),
        publishes=tuple(sent["publish"]),
    )
