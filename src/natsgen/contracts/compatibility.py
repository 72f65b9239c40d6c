"""Finds what a reader with one JSON schema does not accept of what a writer with another sends."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

Schema = Mapping[str, Any]

_DEPTH = 20  # levels of models that contain themselves
_SAME = ("format", "pattern", "multipleOf")
_LEAST = ("minimum", "exclusiveMinimum", "minLength", "minItems")
_MOST = ("maximum", "exclusiveMaximum", "maxLength", "maxItems")
_TELLING = ("type", "properties", "anyOf", "oneOf", "enum", "const")


def problems(
    reader: Schema, writer: Schema, reader_root: Schema | None = None, writer_root: Schema | None = None
) -> list[str]:
    """Return what is wrong, each with the path of its field; nothing where a schema accepts or tells nothing.

    Args:
        reader: the schema of what is read.
        writer: the schema of what is sent.
        reader_root: the document that the references of `reader` belong to; itself by default.
        writer_root: the document that the references of `writer` belong to; itself by default.
    """
    return list(dict.fromkeys(_Comparison(reader_root or reader, writer_root or writer).of(reader, writer, "")))


def target(root: Schema, reference: str) -> Any:
    """Return what a reference into a document stands for; an empty schema if there is nothing."""
    found: Any = root
    for key in reference.removeprefix("#/").split("/"):
        found = found.get(key, {}) if isinstance(found, Mapping) else {}
    return found


class _Comparison:
    def __init__(self, reader: Schema, writer: Schema) -> None:
        self._reader = reader
        self._writer = writer

    def of(self, reader: Schema, writer: Schema, path: str, depth: int = 0) -> Iterator[str]:
        readers = alternatives(reader, self._reader)
        for one in alternatives(writer, self._writer):
            if depth < _DEPTH and any(key in one for key in _TELLING):
                found = [list(self._one(each, one, path, depth)) for each in readers]
                yield from min(found, key=len)

    def _one(self, reader: Schema, writer: Schema, path: str, depth: int) -> Iterator[str]:
        where = path or "the payload"
        expected, sent = _types(reader), _types(writer)
        accepted = {*expected, "integer"} if "number" in expected else set(expected)
        if expected and not sent <= accepted:
            yield f"{where} is {_joined(sent)}, expected {_joined(expected)}"
            return
        yield from (f"{where} {text}" for text in _limits(reader, writer))
        yield from self._fields(reader, writer, path, depth)
        if "items" in reader and "items" in writer:
            yield from self.of(reader["items"], writer["items"], f"{path}[]", depth + 1)
        theirs, ours = reader.get("additionalProperties"), writer.get("additionalProperties")
        if isinstance(theirs, Mapping) and isinstance(ours, Mapping):
            yield from self.of(theirs, ours, f"{path}.*".removeprefix("."), depth + 1)

    def _fields(self, reader: Schema, writer: Schema, path: str, depth: int) -> Iterator[str]:
        theirs, ours = reader.get("properties", {}), writer.get("properties", {})
        is_open = bool(writer.get("additionalProperties")) or "properties" not in writer
        for name in reader.get("required", ()):
            if name not in ours and not is_open:
                yield f"{_below(path, name)} is required, but not sent"
            elif name in ours and name not in writer.get("required", ()):
                yield f"{_below(path, name)} is required, but not always sent"
        if reader.get("additionalProperties") is False:
            yield from (f"{_below(path, name)} is sent, but not accepted" for name in ours if name not in theirs)
        for name in theirs:
            if name in ours:
                yield from self.of(theirs[name], ours[name], _below(path, name), depth + 1)


def alternatives(schema: Schema, root: Schema, depth: int = 0) -> list[Schema]:
    """Return the schemas of which one must hold, without references."""
    if depth > _DEPTH:
        return [{}]
    if "$ref" in schema:
        return alternatives(target(root, str(schema["$ref"])), root, depth + 1)
    parts = schema.get("anyOf") or schema.get("oneOf") or schema.get("allOf")
    if not parts:
        return [schema]
    return [one for part in parts for one in alternatives(part, root, depth + 1)]


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
    for key in _LEAST:
        if key in reader and not writer.get(key, float("-inf")) >= reader[key]:
            yield f"has the {key} {writer.get(key, 'of anything')}, expected {reader[key]}"
    for key in _MOST:
        if key in reader and not writer.get(key, float("inf")) <= reader[key]:
            yield f"has the {key} {writer.get(key, 'of anything')}, expected {reader[key]}"


def _values(schema: Schema) -> list[Any]:
    return [schema["const"]] if "const" in schema else list(schema.get("enum", ()))


def _types(schema: Schema) -> set[str]:
    kinds = schema.get("type", [])
    return {kinds} if isinstance(kinds, str) else set(kinds)


def _joined(names: set[str]) -> str:
    return " or ".join(sorted(names)) or "anything"


def _shown(values: list[Any]) -> str:
    return ", ".join(json.dumps(value) for value in values)


def _below(path: str, name: str) -> str:
    return f"{path}.{name}".removeprefix(".")
