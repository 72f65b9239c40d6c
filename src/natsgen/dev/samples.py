"""Create example payloads of a part from the JSON schema of its model."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from natsgen.dev.catalog import Part
from natsgen.errors import InputError

DEPTH = 8  # levels of a schema that refers to itself
_FORMATS = {
    "date": "2026-01-31",
    "time": "12:00:00Z",
    "duration": "PT1H",
    "email": "ada@example.com",
    "uri": "https://example.com/",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "binary": "text",
    "base64": "dGV4dA==",
}


def sample(part: Part) -> Any:
    """Return an example payload that fits the part's schema, with new IDs each time."""
    if part.schema is None:
        return None if part.kind == "action" else {}
    found = _of(part.schema, part.schema, 0)
    if _is_envelope(part.schema) and isinstance(found, dict):
        # `type` is the event's subject, which cannot be a wildcard
        found["type"] = part.subject.replace("*", "example").replace(">", "example")
    return found


def complete(part: Part, data: Any) -> Any:
    """Return `data` in the part's envelope, unless it already has one."""
    if part.schema is None or not _is_envelope(part.schema):
        return data
    required = set(part.schema.get("required", ()))
    if isinstance(data, dict) and required & data.keys() - {"data"}:
        return data
    return {**sample(part), "data": data}


def renewed(data: Any) -> Any:
    """Return the data with a new ID if it has one: a stream drops a second message with the same ID."""
    return {**data, "id": str(uuid4())} if isinstance(data, dict) and isinstance(data.get("id"), str) else data


def parsed(content: str) -> Any:
    """Parse JSON that the user wrote.

    Raises:
        InputError: it is not valid JSON.
    """
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise InputError(f"invalid JSON: {error}") from error


def text(data: Any) -> str:
    """Return data as indented JSON."""
    return json.dumps(data, indent=2, ensure_ascii=False)


def _is_envelope(schema: Mapping[str, Any]) -> bool:
    return {"id", "type", "data"} <= set(schema.get("properties", ()))


def _of(schema: Mapping[str, Any], root: Mapping[str, Any], depth: int, name: str = "") -> Any:
    if "$ref" in schema:
        target: Any = root
        for key in str(schema["$ref"]).removeprefix("#/").split("/"):
            target = target.get(key, {}) if isinstance(target, Mapping) else {}
        schema = target
    if depth > DEPTH:
        return None
    for key in ("const", "default"):
        if key in schema:
            return schema[key]
    for key in ("examples", "enum"):
        if schema.get(key):
            return schema[key][0]
    for key in ("anyOf", "oneOf", "allOf"):
        if schema.get(key):
            return _of(schema[key][0], root, depth + 1, name)
    return _of_type(schema, root, depth, name)


def _of_type(schema: Mapping[str, Any], root: Mapping[str, Any], depth: int, name: str) -> Any:
    match schema.get("type"):
        case "object":
            required = schema.get("required", ())
            properties = schema.get("properties", {})
            return {key: _of(one, root, depth + 1, key) for key, one in properties.items() if key in required}
        case "array":
            items = schema.get("prefixItems") or [schema.get("items", {})] * max(1, schema.get("minItems", 1))
            return [_of(one, root, depth + 1, name) for one in items]
        case "string":
            return _text(schema, name)
        case "integer" | "number":
            return _number(schema)
        case "boolean":
            return True
        case "null":
            return None
        case _:
            return {}


def _text(schema: Mapping[str, Any], name: str) -> str:
    form = schema.get("format") or schema.get("contentEncoding")
    if form == "date-time":
        return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if form == "uuid" or name == "id":
        return str(uuid4())
    found = _FORMATS.get(str(form), name or "text")
    return found.ljust(schema.get("minLength", 0), "x")[: schema.get("maxLength")]


def _number(schema: Mapping[str, Any]) -> int | float:
    step: int | float = schema.get("multipleOf", 1)
    least: int | float = schema.get(
        "minimum", schema["exclusiveMinimum"] + step if "exclusiveMinimum" in schema else step
    )
    most: int | float = schema.get(
        "maximum", schema["exclusiveMaximum"] - step if "exclusiveMaximum" in schema else least
    )
    return min(least, most)
