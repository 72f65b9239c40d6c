"""The JSON Schemas of the envelopes: `python -m src.utils.schemas` writes them to `schemas/*.json`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from src.domain.cloud_events import CloudEvent
from src.domain.events import Envelope, Event
from src.domain.messages import EnvelopeMessage

FOLDER = Path(__file__).resolve().parents[2] / "schemas"
DRAFT = "https://json-schema.org/draft/2020-12/schema"

ENVELOPES: Mapping[str, tuple[type[Envelope], str]] = {
    "event": (Event[Any], "Something that happened to one aggregate: Event of src/domain/events.py"),
    "message": (
        EnvelopeMessage[Any],
        "A message with its sender and sequence number: EnvelopeMessage of src/domain/messages.py",
    ),
    "cloudevent": (
        CloudEvent[Any],
        "CloudEvents 1.0 in the structured form: CloudEvent of src/domain/cloud_events.py",
    ),
}


def documents() -> dict[Path, str]:
    """Return the content of each file."""
    return {FOLDER / f"{name}.json": _document(name, *envelope) for name, envelope in ENVELOPES.items()}


def _document(name: str, envelope: type[Envelope], meaning: str) -> str:
    schema = envelope.model_json_schema() | {"$schema": DRAFT, "title": name, "description": meaning}
    return json.dumps(schema, indent=2, sort_keys=True) + "\n"


if __name__ == "__main__":
    for path, text in documents().items():
        path.write_text(text, encoding="utf-8")
