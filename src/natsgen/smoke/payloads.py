"""What is sent to a sample: what the services of the template take as they are made."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

UNREADABLE = b"\xffno event"
"""No handler can do anything with it, and so it has to end as a dead letter."""


@dataclass(frozen=True)
class Sent:
    """An event that was published, or will be.

    Attributes:
        subject: on which.
        id: the event's own, which is the message's as well.
        payload: its bytes.
    """

    subject: str
    id: str
    payload: bytes


def event(subject: str, number: int) -> Sent:
    """An event as another service would publish it."""
    id = f"smoke-{number}"
    content = {
        "id": id,
        "type": subject,
        "timestamp": datetime.now(UTC).isoformat(),
        "aggregateId": f"aggregate-{number}",
        "data": {"number": number},
    }
    return Sent(subject, id, json.dumps(content).encode())


def request() -> dict[str, Any]:
    """What an action takes as it is made."""
    return {"name": "Ada"}
