"""The rules of everything that natsgen takes: what each takes at most, said here once more and independently."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from natsgen.errors import InputError
from natsgen.parts import naming, packages, routes, tasks
from natsgen.parts.actions import ACTIONS
from natsgen.parts.handlers import HANDLERS
from natsgen.parts.publishers import PUBLISHERS
from natsgen.parts.routes import ROUTES
from natsgen.parts.subscribers import SUBSCRIBERS
from natsgen.parts.tasks import TASKS
from tests.hostile.texts import NUMBERS, TEXTS

# What can be seen: no control characters, no ends of lines, nothing that turns the direction, no non-characters.
SEEN = (
    r"[^\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069"
    r"\ud800-\udfff\ufeff\ufffe\uffff\U0010fffe\U0010ffff]"
)
WORD = r"[a-z][a-z0-9]*(_[a-z0-9]+)*"
SUBJECT = r"(?!\$|(?i:_inbox|dlq|replay)(\.|$))[A-Za-z0-9_>*-]+(\.[A-Za-z0-9_>*-]+)*"
SENT = SUBJECT.replace(">*", "")  # without wildcards
NUMBER = r"[0-9]{1,9}(\.[0-9]{1,9})?"


@dataclass(frozen=True)
class Rule:
    """One rule.

    Attributes:
        check: the function that takes a text or raises `InputError`.
        takes: what it may take at most; whatever else it takes is a fault.
        longest: of what it takes, in characters.
        some: texts of the corpus that it has to take, by name: a rule that refuses everything is none.
    """

    check: Callable[[str], Any]
    takes: str
    longest: int
    some: tuple[str, ...]

    def accepts(self, text: str) -> bool:
        """Whether it takes a text.

        Raises:
            InputError: never; whatever else is raised is a fault.
        """
        try:
            self.check(text)
        except InputError:
            return False
        return True

    def taken(self) -> Iterator[str]:
        """The texts of the corpus that it takes."""
        return (text for text in TEXTS.values() if self.accepts(text))

    def problem(self, text: str) -> str:
        """What is wrong with what the rule makes of a text; "" if nothing is."""
        try:
            self.check(text)
        except InputError as error:
            message = str(error)
            if not message.isprintable() or len(message) > MESSAGE_MAX or not message:
                return f"refused with {message!a}"
            return ""
        trimmed = text.strip(" ") if self.check is naming.description else text
        if len(trimmed) > self.longest or not re.fullmatch(self.takes, trimmed):
            return "taken"
        return ""


MESSAGE_MAX = 950  # characters, so that with the option's name and natsgen's it stays below 1,000

RULES: Mapping[str, Rule] = {
    "service": Rule(naming.service, r"[a-z][a-z0-9]*(-[a-z0-9]+)*", 48, ("single letter", "48 characters")),
    "context": Rule(naming.context, r"[a-z0-9][a-z0-9_-]*", 48, ("digits", "hyphens")),
    "workspace": Rule(naming.workspace, r"[a-z0-9][a-z0-9_-]*", 63, ("digits", "hyphens")),
    "network": Rule(naming.network, r"([A-Za-z0-9][A-Za-z0-9_.-]*)?", 128, ("capital", "dotted", "empty")),
    "registry": Rule(
        naming.registry,
        r"([A-Za-z0-9][A-Za-z0-9.:/_-]*[A-Za-z0-9._-])?|[A-Za-z0-9]",
        200,
        ("registry with a port", "empty"),
    ),
    "description": Rule(naming.description, f"{SEEN}+", 200, ("sign sequence", "jinja attack", "200 emoji")),
    "label's key": Rule(lambda text: naming.labels({text: "x"}), r"[a-z0-9][a-z0-9._/-]*", 63, ("dotted", "slash")),
    "label's value": Rule(lambda text: naming.labels({"note": text}), f"{SEEN}*", 200, ("empty", "200 quotes")),
    "subject": Rule(HANDLERS.option("subject").check, f"(?![*>]){SUBJECT}", 255, ("all at the end", "255 characters")),
    "handler": Rule(HANDLERS.name.check, WORD, 64, ("64 characters", "keyword")),
    "durable": Rule(HANDLERS.option("durable").check, r"[A-Za-z0-9_-]+", 128, ("128 characters", "capital")),
    "concurrency": Rule(HANDLERS.option("concurrency").parse, r"[0-9]{1,9}", 9, ("number",)),
    "action": Rule(ACTIONS.name.check, WORD, 64, ("64 characters", "builtin")),
    "version": Rule(ACTIONS.option("version").parse, r"[0-9]{1,9}", 9, ("number",)),
    "timeout of an action": Rule(ACTIONS.option("timeout").parse, NUMBER, 19, ("number",)),
    "route": Rule(ROUTES.name.check, WORD, 64, ("64 characters", "builtin")),
    "method": Rule(ROUTES.option("method").check, "GET|POST|PUT|PATCH|DELETE", 6, ()),
    "path": Rule(
        ROUTES.option("path").check,
        r"/([A-Za-z0-9._~-]+|\{[a-z]\w*\})?(/([A-Za-z0-9._~-]+|\{[a-z]\w*\}))*",
        200,
        ("parameters", "long parameter"),
    ),
    "subject of a route": Rule(ROUTES.option("call").check, SENT, 255, ("255 characters", "only hyphens")),
    "route's text": Rule(lambda text: routes.from_text(text, taken={}), r"[A-Z]+ /\S*=\S+", 500, ()),
    "task": Rule(TASKS.name.check, WORD, 64, ("64 characters", "builtin")),
    "queue": Rule(
        TASKS.option("queue").check, r"[a-z][a-z0-9]*([_-][a-z0-9]+)*", 64, ("64 characters", "module with a hyphen")
    ),
    "priority": Rule(TASKS.option("priority").check, "high|normal|low", 6, ()),
    "timeout of a task": Rule(TASKS.option("timeout").parse, NUMBER, 19, ("number",)),
    "attempts": Rule(TASKS.option("max_attempts").parse, r"[0-9]{1,9}", 9, ("number",)),
    "task's text": Rule(tasks.from_text, r"[a-z][a-z0-9_-]*(=[a-z][a-z0-9_]*)?", 129, ("64 characters",)),
    "publisher": Rule(PUBLISHERS.name.check, WORD, 64, ("64 characters", "keyword")),
    "subscriber": Rule(SUBSCRIBERS.name.check, WORD, 64, ("64 characters", "keyword")),
    "published": Rule(PUBLISHERS.option("subject").check, SENT, 255, ("255 characters", "only hyphens")),
    "heard": Rule(SUBSCRIBERS.option("subject").check, f"(?!>){SUBJECT}", 255, ("255 characters", "wildcard first")),
    "interval": Rule(PUBLISHERS.option("interval").parse, NUMBER, 19, ("number",)),
    "queue group": Rule(SUBSCRIBERS.option("queue_group").check, r"[A-Za-z0-9_-]*", 128, ("64 characters", "empty")),
    "extra": Rule(
        lambda text: packages.check("extras", [text]), "|".join(map(re.escape, packages.EXTRA_NAMES)), 40, ()
    ),
}

DERIVED: Mapping[str, tuple[str, Callable[[str], str], str]] = {
    "a handler of a subject": ("subject", naming.handler_for, "handler"),
    "a service of a subject": ("subject", naming.service_for, "service"),
    "a context of a subject": ("subject", lambda subject: naming.context_for([subject], "billing"), "context"),
    "a route that calls": (
        "subject of a route",
        lambda subject: routes.name_for(subject, publishes=False),
        "route",
    ),
    "a route that publishes": (
        "subject of a route",
        lambda subject: routes.name_for(subject, publishes=True),
        "route",
    ),
    "a task of a queue": ("queue", lambda queue: tasks.from_text(queue).name, "task"),
}
"""Names that natsgen makes itself: from what rule's texts, by what function, and the rule that they must meet."""

ALL = [*TEXTS.values(), *NUMBERS]
