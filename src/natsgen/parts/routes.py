"""One route of a gateway as the answers say it, and as a person types it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from natsgen import messages
from natsgen.errors import InputError
from natsgen.parts import route_naming

OPTIONS = ("method", "path", "call", "publish")
FORM = "METHOD PATH=SUBJECT for a call, or METHOD PATH=publish:SUBJECT"
EXAMPLE = "POST /greet=v1.greeter.greet"


@dataclass(frozen=True)
class Target:
    """What a request leads to.

    Attributes:
        subject: that is called, or published to.
        publishes: whether it is published to, in JetStream, which confirms it; else it is called, and answers.
    """

    subject: str
    publishes: bool = False

    @property
    def verb(self) -> str:
        """The key of the subject in an answer."""
        return "publish" if self.publishes else "call"

    def __str__(self) -> str:
        return f"publishes to {self.subject}" if self.publishes else f"calls {self.subject}"


@dataclass(frozen=True)
class Route:
    """A route.

    Attributes:
        name: of its function and of `<name>_route.py`.
        method: of the requests.
        path: of the requests, with its parameters in braces.
        target: what a request leads to.
    """

    name: str
    method: str
    path: str
    target: Target

    @classmethod
    def from_answer(cls, name: str, answer: Any) -> Route:
        """The route that one entry of the answer `routes` describes.

        Args:
            name: its key.
            answer: a mapping of `OPTIONS`, with one of `call` and `publish`.

        Raises:
            InputError: the name or an option breaks its rule.
        """
        shown = messages.quote(name)
        if not isinstance(answer, Mapping):
            raise InputError(f"the route {shown} takes a mapping with method, path, and call or publish")
        for key in answer:
            if key not in OPTIONS:
                raise InputError(
                    f"the route {shown} has no option {messages.quote(str(key))}"
                    f"{messages.did_you_mean(str(key), OPTIONS)} (there are {', '.join(OPTIONS)})"
                )
        if ("call" in answer) == ("publish" in answer):
            raise InputError(f"the route {shown} takes one of call and publish, with a subject")
        verb = "call" if "call" in answer else "publish"
        for key in ("method", "path", verb):
            if not isinstance(answer.get(key), str):
                raise InputError(f"the route {shown} needs {key}, as text")
        return cls(
            name=route_naming.route(name),
            method=route_naming.method(answer["method"]),
            path=route_naming.path(answer["path"]),
            target=Target(route_naming.subject(answer[verb]), publishes=verb == "publish"),
        )

    @classmethod
    def from_text(cls, text: str, name: str | None = None, taken: Collection[str] = ()) -> Route:
        """The route that a person typed.

        Args:
            text: such as `POST /greet=v1.greeter.greet` or `POST /orders=publish:orders.order.created`.
            name: of the route, checked; None for the one that its subject proposes.
            taken: names that the subject must not propose.

        Raises:
            InputError: it is not in that form, or a part of it breaks its rule.
        """
        request, separator, target = text.partition("=")
        words = [word for word in request.split(" ") if word]
        if not separator or len(words) != 2:
            raise InputError(f"{messages.quote(text)} is no route: it takes {FORM}, such as {EXAMPLE!r}")
        verb, separator, rest = target.strip(" ").partition(":")
        if separator and verb not in ("call", "publish"):
            raise InputError(
                f"{messages.quote(text)} is no route: before the : is call or publish, not {messages.quote(verb)}"
            )
        subject = route_naming.subject(rest if separator else verb)
        publishes = bool(separator) and verb == "publish"
        method, path = route_naming.method(words[0].upper()), route_naming.path(words[1])
        proposed = route_naming.name_for(subject, publishes=publishes, taken=taken)
        return cls(proposed if name is None else name, method, path, Target(subject, publishes))

    def answer(self) -> dict[str, Any]:
        """The route as an entry of the answer `routes`."""
        return {"method": self.method, "path": self.path, self.target.verb: self.target.subject}

    @property
    def request(self) -> str:
        """What it answers."""
        return f"{self.method} {self.path}"

    @property
    def key(self) -> tuple[str, str]:
        """What no other route of the gateway may have."""
        return self.method, route_naming.without_names(self.path)


def check(answer: Mapping[str, Any]) -> None:
    """Checks the answer `routes` as a whole.

    Raises:
        InputError: a route breaks a rule, or two answer the same requests.
    """
    _refuse_same([Route.from_answer(name, entry) for name, entry in answer.items()])


def requests_of(answer: Mapping[str, Any]) -> tuple[str, ...]:
    """What the routes in a checked answer `routes` answer, in its order."""
    return tuple(f"{entry['method']} {entry['path']}" for entry in answer.values())


def named(texts: Sequence[str]) -> dict[str, Any]:
    """The answer `routes` for what a person typed, each under a name of its own.

    Raises:
        InputError: one of them is no route, or two answer the same requests.
    """
    found: dict[str, Route] = {}
    for text in texts:
        route = Route.from_text(text, taken=found)
        found[route.name] = route
    _refuse_same(list(found.values()))
    return {name: route.answer() for name, route in found.items()}


def _refuse_same(routes: Sequence[Route]) -> None:
    seen: dict[tuple[str, str], Route] = {}
    for route in routes:
        other = seen.setdefault(route.key, route)
        if other is not route:
            raise InputError(
                f"the routes {messages.quote(other.name)} and {messages.quote(route.name)} both answer "
                f"{route.request}: give one another method or path"
            )
