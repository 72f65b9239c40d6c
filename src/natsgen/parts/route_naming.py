"""The names, methods, paths and subjects of routes: their rules, what is derived from them, and the errors.

As in `naming`: checks take a value and return it, or raise `InputError`; derivations take checked values.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Collection

from natsgen import messages, naming
from natsgen.errors import InputError
from natsgen.parts.part_naming import Rule

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
PATH_MAX_LENGTH = 200
PARAMETER_MAX_LENGTH = 40  # so that its line in a test fits, with a value beside it

# What every gateway answers itself.
RESERVED_PATHS = frozenset({"/healthz", "/readyz", "/metrics", "/stats", "/docs", "/redoc", "/openapi.json"})

# A route's function has the route's name, and its models begin with it, next to these in its file and in its test;
# copier.yml refuses the same.
RESERVED = frozenset(
    {"annotations", "body", "client", "event", "http", "nats", "payload", "publish", "pytest", "read", "request"}
    | {"response", "route", "router", "str", "uuid4"}
)
RULE = Rule("route", "a", RESERVED, "route")

# A parameter is an argument of the function, which uses these; copier.yml refuses the same.
RESERVED_PARAMETERS = frozenset({"body", "event", "nats", "payload", "publish", "read", "request", "str", "uuid4"})

_SEGMENT = re.compile(r"[A-Za-z0-9._~-]+")
_IN_BRACES = re.compile(r"\{([^{}]*)\}")
_PARAMETER = re.compile(r"[a-z][A-Za-z0-9_]*")


def route(name: str) -> str:
    """Checks the name of a route, its function and its file; returns it or raises `InputError`."""
    return RULE.check(name)


def method(text: str) -> str:
    """Checks the method of a route; returns it or raises `InputError`."""
    if text not in METHODS:
        proposed = (
            messages.suggest(text.upper()) if text.upper() in METHODS else messages.did_you_mean(text.upper(), METHODS)
        )
        raise InputError(f"{messages.quote(text)} is no method of a route: it is one of {', '.join(METHODS)}{proposed}")
    return text


def path(text: str) -> str:
    """Checks the path of a route.

    Args:
        text: such as `/orders/{order_id}`.

    Returns:
        The same path.

    Raises:
        InputError: it breaks the rule, or every gateway answers it itself.
    """
    if problem := _path_problem(text):
        raise InputError(f"{messages.quote(text)} is no path of a route: {problem}")
    return text


def subject(text: str) -> str:
    """Checks the subject that a route sends to; returns it or raises `InputError`."""
    wide = any(token in ("*", ">") for token in text.split("."))
    if problem := "it takes no wildcards, because it is sent to" if wide else naming.subject_problem(text):
        raise InputError(f"{messages.quote(text)} is no subject for a route: {problem}")
    return text


def without_names(path: str) -> str:
    """A path with nothing in the braces: two that are the same so are answered by one route."""
    return _IN_BRACES.sub("{}", path)


def parameters_of(path: str) -> tuple[str, ...]:
    """The names of a path's parameters, in their order."""
    return tuple(_IN_BRACES.findall(path))


def name_for(subject: str, *, publishes: bool, taken: Collection[str] = ()) -> str:
    """A name for the route to a subject.

    Args:
        subject: a checked one.
        publishes: whether it is published to: the name is that of a handler of it, else that of the action.
        taken: names that others have; it is after as many of the subject's last tokens as it takes to be none of them.
    """
    tokens = subject.split(".")
    depths = range(min(2 if publishes else 1, len(tokens)), len(tokens) + 1)
    names = [name for depth in depths if (name := RULE.name_from(" ".join(tokens[-depth:])))]
    names = names or [f"{RULE.verb}_{'publish' if publishes else 'call'}"]
    return next((name for name in names if name not in taken), naming.free(names[0], taken))


def _path_problem(text: str) -> str:
    if not text.startswith("/"):
        return "it starts with /, such as '/orders/{order_id}'"
    if len(text) > PATH_MAX_LENGTH:
        return f"it has {len(text)} characters of at most {PATH_MAX_LENGTH}"
    if text in RESERVED_PATHS:
        return "every gateway answers that itself"
    segments = text.removeprefix("/").split("/") if text != "/" else []
    for number, segment in enumerate(segments, start=1):
        if problem := _segment_problem(segment, is_last=number == len(segments)):
            return problem
    names = parameters_of(text)
    if twice := next((name for name in names if names.count(name) > 1), None):
        return f"the parameter {messages.quote(twice)} is there twice"
    return ""


def _segment_problem(segment: str, *, is_last: bool) -> str:
    if not segment:
        return "it ends with /; leave that out" if is_last else "it has nothing between two slashes"
    if segment in (".", ".."):
        return f"clients take {segment} out of a path before they send it"
    if found := _IN_BRACES.fullmatch(segment):
        return _parameter_problem(found[1])
    if not _SEGMENT.fullmatch(segment):
        takes = "a segment takes letters, digits, -, ., _ and ~, or is a {parameter} and nothing else"
        return f"{takes}, and not {messages.quote(segment)}"
    return ""


def _parameter_problem(name: str) -> str:
    if len(name) > PARAMETER_MAX_LENGTH or not _PARAMETER.fullmatch(name):
        return (
            f"the parameter {messages.quote(name)} takes letters, digits and _, starts with a small letter and has at "
            f"most {PARAMETER_MAX_LENGTH} characters"
        )
    if keyword.iskeyword(name):
        return f"the parameter {messages.quote(name)} is a keyword of Python; rename it"
    if name in RESERVED_PARAMETERS:
        return f"the parameter {messages.quote(name)} would hide a name that the route's function uses; rename it"
    return ""
