"""Finds what a reader with one JSON schema does not accept of what a writer with another sends."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

Schema = Mapping[str, Any]
Problem = tuple[str, str]  # the path of a field, and what is wrong with it

_SAME = ("format", "pattern", "multipleOf")
_BOUNDS = (
    *(("minimum", "exclusiveMinimum", 1), ("minLength", "", 1), ("minItems", "", 1)),
    *(("maximum", "exclusiveMaximum", -1), ("maxLength", "", -1), ("maxItems", "", -1)),
)
_MOST = 100  # problems of one pair of schemas; further ones say nothing new, and can be billions
_TELLING = ("type", "properties", "anyOf", "oneOf", "enum", "const")


def problems(reader: Schema, writer: Schema, roots: tuple[Schema, Schema] | None = None) -> list[str]:
    """Return what is wrong, each with the path of its field; nothing where a schema accepts or tells nothing.

    Args:
        reader: the schema of what is read.
        writer: the schema of what is sent.
        roots: the documents that the references of `reader` and `writer` belong to, for two versions of one schema: a
            field that the other version lacks is then missing, even if its model allows more fields. By default the
            schemas themselves, of different services.
    """
    found = _Comparison(*(roots or (reader, writer)), is_strict=roots is not None).of(reader, writer)
    return list(dict.fromkeys(f"{path.removeprefix('.') or 'the payload'} {text}" for path, text in found))


def target(root: Schema, reference: str) -> Any:
    """Return what a reference into a document stands for; an empty schema if there is nothing."""
    found: Any = root
    for key in reference.removeprefix("#/").split("/"):
        found = found.get(key, {}) if isinstance(found, Mapping) else {}
    return found


class _Comparison:
    """Compares schemas pair by pair, each pair once: a model may contain itself."""

    def __init__(self, reader: Schema, writer: Schema, *, is_strict: bool) -> None:
        self._reader = reader
        self._writer = writer
        self._is_strict = is_strict
        self._known: dict[tuple[int, int], list[Problem]] = {}

    def of(self, reader: Schema, writer: Schema) -> list[Problem]:
        """Return the problems, each with its path below these schemas."""
        found: list[Problem] = []
        readers = alternatives(reader, self._reader)
        for one in alternatives(writer, self._writer):
            if any(key in one for key in _TELLING):
                pairs = [self._pair(each, one) for each in readers]
                found = [*found, *min(pairs, key=len)]
        return found

    def _pair(self, reader: Schema, writer: Schema) -> list[Problem]:
        key = id(reader), id(writer)
        if key not in self._known:
            self._known[key] = []  # while it is compared
            self._known[key] = list(islice(self._problems(reader, writer), _MOST))
        return self._known[key]

    def _problems(self, reader: Schema, writer: Schema) -> Iterator[Problem]:
        expected, sent = _types(reader), _types(writer)
        accepted = {*expected, "integer"} if "number" in expected else expected
        if expected and not sent <= accepted:
            yield "", f"is {_joined(sent)}, expected {_joined(expected)}"
            return
        yield from (("", text) for text in _limits(reader, writer))
        yield from self._fields(reader, writer)
        for key, step in (("items", "[]"), ("additionalProperties", ".*")):
            theirs, ours = reader.get(key), writer.get(key)
            if isinstance(theirs, Mapping) and isinstance(ours, Mapping):
                yield from ((step + path, text) for path, text in self.of(theirs, ours))

    def _fields(self, reader: Schema, writer: Schema) -> Iterator[Problem]:
        theirs, ours = reader.get("properties", {}), writer.get("properties", {})
        is_open = not self._is_strict and (bool(writer.get("additionalProperties")) or "properties" not in writer)
        for name in reader.get("required", ()):
            if name not in ours and not is_open:
                yield f".{name}", "is required, but not sent"
            elif name in ours and name not in writer.get("required", ()):
                yield f".{name}", "is required, but not always sent"
        if reader.get("additionalProperties") is False:
            yield from ((f".{name}", "is sent, but not accepted") for name in ours if name not in theirs)
        for name in theirs:
            if name in ours:
                yield from ((f".{name}{path}", text) for path, text in self.of(theirs[name], ours[name]))


def alternatives(schema: Schema, root: Schema) -> list[Schema]:
    """Return the schemas of which one must hold, without references, each once."""
    found: list[Schema] = []
    left, seen = [schema], set()
    while left:
        one = left.pop(0)
        if id(one) in seen or not isinstance(one, Mapping):  # `true` accepts anything, as {} does
            continue
        seen.add(id(one))
        parts = one.get("anyOf") or one.get("oneOf") or one.get("allOf")
        if "$ref" in one:
            left.append(target(root, str(one["$ref"])))
        elif parts:
            left += parts
        else:
            found.append(one)
    return found or [{}]


def _limits(reader: Schema, writer: Schema) -> Iterator[str]:
    allowed, sent = _values(reader), _values(writer)
    if allowed and not sent:
        yield f"can be anything, expected {_shown(allowed)}"
    elif allowed and (others := [value for value in sent if value not in allowed]):
        yield f"can be {_shown(others)}, expected {_shown(allowed)}"
    elif sent:
        return
    for key in _SAME:
        if key in reader and reader[key] != writer.get(key):
            yield f"has the {key} {writer.get(key, 'of anything')}, expected {reader[key]}"
    for plain, exclusive, sign in _BOUNDS:
        if _bound(writer, plain, exclusive, sign) < _bound(reader, plain, exclusive, sign):
            key = plain if plain in reader else exclusive
            yield f"has the {key} {writer.get(key, 'of anything')}, expected {reader[key]}"


def _bound(schema: Schema, plain: str, exclusive: str, sign: int) -> tuple[float, bool]:
    """Return a lower bound, or an upper one with the other sign, and whether a value has to differ from it."""
    found = [(sign * schema[plain], False)] if plain in schema else []
    if exclusive in schema:
        is_whole = schema.get("type") == "integer"
        found.append((sign * schema[exclusive] + is_whole, not is_whole))
    return max(found, default=(float("-inf"), False))


def _values(schema: Schema) -> list[Any]:
    return [schema["const"]] if "const" in schema else list(schema.get("enum", ()))


def _types(schema: Schema) -> set[str]:
    kinds = schema.get("type", [])
    return {kinds} if isinstance(kinds, str) else set(kinds)


def _joined(names: set[str]) -> str:
    return " or ".join(sorted(map(str, names))) or "anything"


def _shown(values: list[Any]) -> str:
    return ", ".join(json.dumps(value) for value in values)
