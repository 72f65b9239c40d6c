"""What is sent to a sample: what the services of the template take as they are made."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

DOMAIN, MESSAGE, CLOUD_EVENTS = "domain", "message", "cloudevents"
"""The envelopes that the template's question has."""
SOURCE = "natsgen-smoke"

UNREADABLE = b"\xffno event"
"""No handler can do anything with it, and so it has to end as a dead letter."""


@dataclass(frozen=True)
class Sent:
    """An event that was published, or will be.

    Attributes:
        subject: on which.
        id: the event's own, which is the message's as well.
        payload: its bytes.
        headers: of the message, its id's aside.
    """

    subject: str
    id: str
    payload: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


def event(subject: str, number: int, envelope: str = DOMAIN) -> Sent:
    """An event as another service would publish it, in an envelope that the template's question names."""
    id = f"smoke-{number}"
    now = datetime.now(UTC).isoformat()
    data = {"number": number}
    if envelope == MESSAGE:
        content = {"message_id": id, "timestamp": now, "source": SOURCE, "sequence": number, "data": data}
        return Sent(subject, id, json.dumps(content).encode())
    if envelope == CLOUD_EVENTS:
        attributes = {"specversion": "1.0", "id": id, "source": f"/{SOURCE}", "type": subject, "time": now}
        content = {**attributes, "datacontenttype": "application/json", "data": data}
        return Sent(subject, id, json.dumps(content).encode(), {"Content-Type": "application/cloudevents+json"})
    content = {"id": id, "type": subject, "timestamp": now, "aggregateId": f"aggregate-{number}", "data": data}
    return Sent(subject, id, json.dumps(content).encode())


def sequence_in(payload: bytes) -> int:
    """The number that a publisher has given a message, as publishers are made.

    Raises:
        ValueError: there is none in it.
    """
    try:
        return int(json.loads(payload)["data"]["sequence"])
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"no number in {payload[:200]!r}") from error


def request() -> dict[str, Any]:
    """What an action takes as it is made."""
    return {"name": "Ada"}


def task_payload() -> bytes:
    """What a task takes as it is made."""
    return json.dumps({"to": "ada@example.com"}).encode()
