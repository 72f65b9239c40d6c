"""Describes services in an AsyncAPI document: channels, operations, payloads, and what JetStream does with them."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

from natsgen.contracts.models import Schema
from natsgen.contracts.reading import RECEIVERS, End, Surface
from natsgen.files import reading
from natsgen.parts import naming
from natsgen.parts.sends import CALLS

VERSION = "3.1.0"  # of AsyncAPI
NO_VERSION = {"version": "0.0.0"}  # what has no version of its own
BINDING = "0.1.0"  # of the NATS binding
QUEUE_OF_ACTIONS = "q"  # as in the NATS micro service protocol

_ADDRESS = {"*": "any", ">": "rest"}
_RAW = {"bytes": "application/octet-stream", "str": "text/plain"}
_BY_NAME = ("properties", "patternProperties")  # keywords whose value has schemas by the names of fields
_DATA = ("const", "default", "enum", "examples")  # keywords whose value is no schema
_HEADERS = ("Nats-Msg-Id", "Correlation-Id", "Causation-Id", "traceparent")
_ERROR = {
    "type": "object",
    "properties": {"code": {"type": "string"}, "message": {"type": "string"}, "details": {}},
    "required": ["code", "message"],
}


def document(title: str, about: Mapping[str, str], surfaces: Sequence[Surface]) -> dict[str, Any]:
    """Return the AsyncAPI document of services.

    Args:
        title: the name of the service or the workspace.
        about: its `version`, and perhaps its `description`.
        surfaces: the services.
    """
    made = _Document([end for one in surfaces for end in one.receivers if end.durable])
    for end in sorted((end for one in surfaces for end in (*one.receivers, *one.senders)), key=_id):
        made.add(end)
    server = {"host": "{address}", "protocol": "nats", "variables": {"address": {"default": "localhost:4222"}}}
    return {
        "asyncapi": VERSION,
        "info": {"title": title, **about},
        "defaultContentType": "application/json",
        "servers": {"nats": server},
        "channels": dict(sorted(made.channels.items())),
        "operations": made.operations,
        "components": {
            "schemas": {"headers": _headers(), **dict(sorted(made.schemas.items()))},
            "messages": made.messages,
            "correlationIds": {"correlation": {"location": "$message.header#/Correlation-Id"}},
        },
    }


def about(folder: Path) -> dict[str, str]:
    """Return the version and the description in a service's `pyproject.toml`, as far as it has them."""
    try:
        project = tomllib.loads(reading.read_text(folder / "pyproject.toml")).get("project")
    except (OSError, ValueError, RecursionError):
        project = None
    found = {key: str(value) for key, value in project.items()} if isinstance(project, dict) else {}
    return {**NO_VERSION, **{key: found[key] for key in ("version", "description") if key in found}}


class _Document:
    """The parts of a document.

    Args:
        consumers: the parts with a consumer, which know the names of their streams.

    Attributes:
        channels, operations, messages, schemas: by their names.
    """

    def __init__(self, consumers: Sequence[End]) -> None:
        self._consumers = consumers
        self.channels: dict[str, Any] = {}
        self.operations: dict[str, Any] = {}
        self.messages: dict[str, Any] = {}
        self.schemas: dict[str, Any] = {}
        self._closures: dict[str, str] = {}

    def add(self, end: End) -> None:
        """Add an operation, with its channel and messages."""
        name = _numbered(_id(end), lambda one: one not in self.operations)
        receives = end.kind in RECEIVERS
        channel = self._channel(_key(end.subject), end.subject)
        operation: dict[str, Any] = {
            "action": "receive" if receives else "send",
            "title": f"{end.who} {end.kind}" if receives else f"{end.who} {end.kind} {end.subject}",
            "channel": {"$ref": f"#/channels/{channel}"},
            "messages": [self._message(channel, name, end, end.type.text if end.type else "", end.schema, receives)],
        }
        queue = QUEUE_OF_ACTIONS if end.kind == "action" and end.options.get("queue", True) else None
        if queue := end.options.get("queue") if end.kind == "subscriber" else queue:
            operation["bindings"] = {"nats": {"queue": queue, "bindingVersion": BINDING}}
        if end.kind in ("action", CALLS):
            operation["reply"] = self._reply(f"{channel}.reply", name, end, receives)
        stores = (one.stream for one in self._consumers if end.stream and naming.overlap(one.subject, end.subject))
        end = replace(end, stream=next(stores, end.stream))
        operation.update({f"x-nats-{key}": value for key, value in _facts(end) if value not in ("", None)})
        self.operations[name] = operation

    def _reply(self, key: str, name: str, end: End, receives: bool) -> dict[str, Any]:
        channel = self._channel(key, None)
        text = end.reply.text if end.reply else ""
        schema = end.reply_schema or {}
        if text != "bytes":
            result = {key: value for key, value in schema.items() if key != "$defs"}
            schema = {"type": "object", "properties": {"result": result}, "required": ["result"]} | _defs(schema)
        error = {"type": "object", "properties": {"error": _ERROR}, "required": ["error"]}
        return {
            "channel": {"$ref": f"#/channels/{channel}"},
            "messages": [
                self._message(channel, f"{name}.reply", end, text, schema, not receives),
                self._message(channel, "error", end, "error", error, not receives),
            ],
        }

    def _channel(self, key: str, address: str | None) -> str:
        """Return the key of a channel, with a number where one of another address has it: `api.>` and `api.rest`."""
        new: dict[str, Any] = {"address": address, "messages": {}}
        return _numbered(key, lambda one: self.channels.setdefault(one, new)["address"] == address)

    def _message(
        self, channel: str, name: str, end: End, text: str, schema: Schema | None, receives: bool
    ) -> dict[str, str]:
        """Add a message to a channel, and return the reference to it."""
        message: dict[str, Any] = {
            "name": text or "any",
            "contentType": _RAW.get(text, "application/json"),
            "headers": {"$ref": "#/components/schemas/headers"},
            "correlationId": {"$ref": "#/components/correlationIds/correlation"},
        }
        if schema is not None and text not in _RAW:
            message["payload"] = self._hoisted(end.service + ("" if receives else ".sent"), schema)
        self.messages[name] = message
        self.channels[channel]["messages"][name] = {"$ref": f"#/components/messages/{name}"}
        return {"$ref": f"#/channels/{channel}/messages/{name}"}

    def _hoisted(self, prefix: str, schema: Schema) -> Any:
        """Return a schema whose models are in the document's components."""
        models: Mapping[str, Schema] = schema.get("$defs", {})
        names = {model: self._name_for(f"{prefix}.{_key(model)}", model, models) for model in models}
        for model, name in names.items():
            self.schemas.setdefault(name, _converted(models[model], names))
        return _converted({key: value for key, value in schema.items() if key != "$defs"}, names)

    def _name_for(self, name: str, model: str, models: Mapping[str, Schema]) -> str:
        """Return a name for a model that no other one has; a model is known again by itself and those inside it."""
        closure = json.dumps({one: models[one] for one in sorted(_inside(model, models, set()))}, sort_keys=True)
        return _numbered(name, lambda one: self._closures.setdefault(one, closure) == closure)


def _numbered(name: str, fits: Callable[[str], bool]) -> str:
    """Return the name, or the name with the first number with which it fits."""
    return name if fits(name) else next(one for number in count(2) if fits(one := f"{name}.{number}"))


def _id(end: End) -> str:
    if end.kind in RECEIVERS:
        return f"{end.service}.{end.kind}.{_key(end.part)}"
    return f"{end.service}.{_key(end.part) or 'code'}.{end.kind}.{_key(end.subject)}"


def _key(text: str) -> str:
    """Return a text as the key of a component."""
    return re.sub(r"[^\w.-]", "_", ".".join(_ADDRESS.get(token, token) for token in text.split(".")), flags=re.ASCII)


def _facts(end: End) -> Iterator[tuple[str, Any]]:
    yield "stream", end.stream
    if end.durable:
        yield "durable", end.durable
        yield "ack-wait", end.options.get("ack_wait")
        yield "max-attempts", end.options.get("max_attempts")
        yield "dead-letter-subject", f"dlq.{end.service}.{end.part}"
    if end.kind == "action":
        yield "timeout", end.options.get("timeout")


def _headers() -> Schema:
    return {"type": "object", "properties": {name: {"type": "string"} for name in _HEADERS}}


def _defs(schema: Schema) -> Schema:
    return {"$defs": schema["$defs"]} if "$defs" in schema else {}


def _inside(model: str, models: Mapping[str, Schema], seen: set[str]) -> set[str]:
    if model in models and model not in seen:
        seen.add(model)
        for other in re.findall(r'"#/\$defs/([^"]+)"', json.dumps(models[model])):
            _inside(other, models, seen)
    return seen


def _converted(value: Any, names: Mapping[str, str]) -> Any:
    """Return a schema with references to components, in the dialect of AsyncAPI, which follows draft 7."""
    if isinstance(value, list):
        return [_converted(one, names) for one in value]
    if not isinstance(value, Mapping):
        return value
    found: dict[str, Any] = {}
    for key, one in value.items():
        if key in _BY_NAME and isinstance(one, Mapping):
            found[key] = {name: _converted(inner, names) for name, inner in one.items()}
        else:
            found[key] = one if key in _DATA else _converted(one, names)
    if isinstance(reference := found.get("$ref"), str):
        found["$ref"] = f"#/components/schemas/{names.get(reference.removeprefix('#/$defs/'), reference)}"
    if isinstance(found.get("discriminator"), Mapping):
        found["discriminator"] = found["discriminator"]["propertyName"]
    if "prefixItems" in found:
        found["items"] = found.pop("prefixItems")
    return found
