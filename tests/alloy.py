"""Reads Alloy's configuration language, as far as docs/loki/config.alloy uses it: what Alloy would refuse, fails.

https://grafana.com/docs/alloy/latest/get-started/syntax/
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

_TOKEN = re.compile(
    r"""(?P<space>[ \t]+|//[^\n]*)|(?P<end>\n)|(?P<text>"(?:[^"\\\n]|\\.)*")|(?P<number>[0-9]+(?:\.[0-9]+)?)"""
    r"""|(?P<name>[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*)|(?P<mark>[{}\[\](),=])"""
)


class Reference(NamedTuple):
    """An expression that names something else: `loki.write.default.receiver`."""

    name: str


class Call(NamedTuple):
    """A call of a function of the language: `sys.env("LOKI_URL")`."""

    name: str
    arguments: list[Any]


@dataclass
class Block:
    """A block: its name, its label if it has one, and what it holds."""

    name: str
    label: str = ""
    attributes: dict[str, Any] = field(default_factory=dict)
    blocks: list[Block] = field(default_factory=list)

    def only(self, name: str) -> Block:
        """The one block of that name in it."""
        (found,) = [block for block in self.blocks if block.name == name]
        return found


class NotAlloy(ValueError):
    """What was read is no configuration; the message names the line."""


def parse(text: str) -> list[Block]:
    """The blocks of a configuration.

    Raises:
        NotAlloy: it is none.
    """
    body = _Parser(text).body(top=True)
    if body.attributes:
        raise NotAlloy(f"an attribute outside of any block: {', '.join(body.attributes)}")
    return body.blocks


class _Parser:
    def __init__(self, text: str) -> None:
        self._tokens = list(_tokens(text))
        self._at = 0

    def body(self, *, top: bool) -> Block:
        body = Block("")
        while True:
            self._skip_ends()
            kind, text, line = self._tokens[self._at]
            if kind == "eof" if top else text == "}":
                return body
            name = self._take("name")
            if self._peek() == "=":
                self._take_mark("=")
                if name in body.attributes:
                    raise NotAlloy(f"line {line}: {name} is there twice")
                body.attributes[name] = self._expression()
            else:
                label = self._take("text")[1:-1] if self._tokens[self._at][0] == "text" else ""
                self._take_mark("{")
                inner = self.body(top=False)
                self._take_mark("}")
                body.blocks.append(Block(name, label, inner.attributes, inner.blocks))
            if self._tokens[self._at][0] not in ("end", "eof") and self._peek() != "}":
                raise self._unexpected("the end of the line")

    def _expression(self) -> Any:
        kind, text, _ = self._tokens[self._at]
        if kind == "text":
            return self._take("text")[1:-1]
        if kind == "number":
            return float(self._take("number"))
        if kind == "name":
            name = self._take("name")
            return Call(name, self._several("(", ")")) if self._peek() == "(" else Reference(name)
        if text == "[":
            return self._several("[", "]")
        if text == "{":
            return self._object()
        raise self._unexpected("a value")

    def _several(self, begin: str, end: str) -> list[Any]:
        found: list[Any] = []
        self._take_mark(begin)
        while self._peek() != end:
            found.append(self._expression())
            if self._peek() != end:
                self._take_mark(",")
        self._take_mark(end)
        return found

    def _object(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        self._take_mark("{")
        self._skip_ends()
        while self._peek() != "}":
            name = self._take("text")[1:-1] if self._tokens[self._at][0] == "text" else self._take("name")
            self._take_mark("=")
            found[name] = self._expression()
            if self._peek() != "}":
                self._take_mark(",")  # on the last line as well, where the brace has a line of its own
            self._skip_ends()
        self._take_mark("}")
        return found

    def _peek(self) -> str:
        return self._tokens[self._at][1]

    def _take(self, wanted: str) -> str:
        kind, text, _ = self._tokens[self._at]
        if kind != wanted:
            raise self._unexpected(f"a {wanted}")
        self._at += 1
        return text

    def _take_mark(self, mark: str) -> None:
        if self._peek() != mark:
            raise self._unexpected(repr(mark))
        self._at += 1

    def _skip_ends(self) -> None:
        while self._tokens[self._at][0] == "end":
            self._at += 1

    def _unexpected(self, wanted: str) -> NotAlloy:
        _, text, line = self._tokens[self._at]
        return NotAlloy(f"line {line}: {text!r} is not {wanted}")


def _tokens(text: str) -> Iterator[tuple[str, str, int]]:
    at, line = 0, 1
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            raise NotAlloy(f"line {line}: {text[at : at + 20]!r} is nothing of the language")
        kind = str(found.lastgroup)
        if kind != "space":
            yield kind, found[0], line
        line += found[0].count("\n")
        at = found.end()
    yield "eof", "", line
