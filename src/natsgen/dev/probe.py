"""Describe a service's parts; run in the service's folder, by its interpreter, as `python -c`.

It imports the service's parts, and nothing of natsgen. Standard input is a JSON object, and so is standard output.
`{"types": [[module, annotation, is_sent], ...]}` asks for the service's parts, and for the JSON schemas of annotations.
`{"kind": ..., "name": ..., "payloads": [...]}` asks whether these JSON payloads are valid for that part.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, get_args

KINDS = {"handlers": "handler", "tasks": "task", "actions": "action", "subscribers": "subscriber"}
REGISTRIES = {
    "handlers": "src.infrastructure.subscription",
    "tasks": "src.tasks.task",
    "actions": "src.actions.action",
    "subscribers": "src.pubsub.subscribers.subscriber",
}


def main() -> None:
    """Answer one question."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what the service's code prints is not part of the answer
    question = json.load(sys.stdin)
    found = {(kind, name): part for kind in KINDS for name, part in registered(kind)}
    if "payloads" in question:
        part = found.get((question["kind"] + "s", question["name"]))
        answer: Any = {"problems": part and [problem(part, text) for text in question["payloads"]]}
    else:
        answer = {"parts": [told(kind, name, part) for (kind, name), part in found.items()], **whole()}
        answer["schemas"] = [schema_in(*one) for one in question["types"]]
    json.dump(answer, answers)
    answers.close()


def whole() -> dict[str, Any]:
    """Return the description of the whole service."""
    declared = import_module("src.infrastructure.publishing").declared
    return {"service": settings().SERVICE_NAME, "publishes": sorted(declared)}


def settings() -> Any:
    """Return the service's settings."""
    return import_module("src.config").settings


def registered(kind: str) -> Iterator[tuple[str, Any]]:
    """Yield the parts of a kind that the service's files register, with their names."""
    folder = Path("src/domain", kind)
    files = sorted(folder.glob(f"*_{KINDS[kind]}.py"))
    for file in files:
        import_module(f"src.domain.{kind}.{file.stem}")
    if files:
        for part in import_module(REGISTRIES[kind]).registered():
            if kind == "actions":
                yield part.function.__name__, part  # all versions of an action have one name
            else:
                yield getattr(part, "handler", None) or part.name, part


def told(kind: str, name: str, part: Any) -> dict[str, Any]:
    """Return the description of a part."""
    service = settings().SERVICE_NAME
    answer = {
        "kind": KINDS[kind],
        "name": name,
        "file": os.path.relpath(part.function.__code__.co_filename),
        "schema": schema_of(kind, part),
    }
    more: dict[str, Any]
    if kind in ("handlers", "tasks"):
        subscription = subscription_of(part)
        more = {
            "subject": subscription.subject,
            "durable": subscription.durable_for(service),
            "options": {name: getattr(subscription, name) for name in ("ack_wait", "max_attempts")},
            "publishes": list(subscription.publishes),
        }
    elif kind == "actions":
        named = import_module("src.actions.action").action_subject
        subject = part.subject or named(service, part.name, part.version)
        more = {"subject": subject, "timeout": part.timeout}
    else:
        more = {"subject": part.subject}
    return answer | more


def subscription_of(part: Any) -> Any:
    """Return the subscription of a part: a task has one, the others are one."""
    return getattr(part, "subscription", part)


def schema_of(kind: str, part: Any) -> Any:
    """Return the JSON schema of a part's payload; None if it has none or accepts anything."""
    try:
        return import_module("pydantic").TypeAdapter(annotation_of(kind, part)).json_schema()
    except Exception:
        return None


def schema_in(module: str, annotation: str, is_sent: bool) -> Any:
    """Return the JSON schema of an annotation in a module; None if it has none."""
    try:
        found = eval(annotation, {"Any": Any, **vars(import_module(module))})
        options = {"mode": "serialization", "schema_generator": for_sent()} if is_sent else {}
        return import_module("pydantic").TypeAdapter(found).json_schema(**options)
    except Exception:
        return None


def for_sent() -> Any:
    """Return pydantic's generator of schemas, with the fields that have a default value: they are sent as well."""

    class Generator(import_module("pydantic.json_schema").GenerateJsonSchema):  # type: ignore[misc]
        def field_is_required(self, field: Any, total: bool) -> bool:
            is_sent = field["type"] != "typed-dict-field" and field.get("serialization_exclude_if") is None
            return is_sent or bool(super().field_is_required(field, total))

    return Generator


def annotation_of(kind: str, part: Any) -> Any:
    """Return the annotation of a part's payload; of one event for a list of events."""
    if kind == "actions":
        return part.request_type
    annotation = import_module("src.infrastructure.decoding").annotations_of(part.function, range(9), "")[0][0]
    takes_list = subscription_of(part).signature.takes_list and get_args(annotation)
    return get_args(annotation)[0] if takes_list else annotation


def problem(part: Any, text: str) -> str:
    """Return why a payload is invalid for a part; empty if it is valid."""
    payload = text.encode()
    try:
        if hasattr(part, "request_type"):
            if part.request_type is not None:
                import_module("src.infrastructure.decoding").decoder_for(part.request_type, part.name)(payload)
        else:
            subscription_of(part).signature.decode(payload, {})
    except Exception as error:
        return explained(error)
    return ""


def explained(error: Exception) -> str:
    """Return why a payload is invalid, on one line."""
    try:
        problems = error.errors()  # type: ignore[attr-defined]
        return "; ".join(": ".join(filter(None, (".".join(map(str, one["loc"])), one["msg"]))) for one in problems)
    except Exception:
        return str(error) or type(error).__name__


if __name__ == "__main__":
    main()
