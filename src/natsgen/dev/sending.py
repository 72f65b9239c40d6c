"""Send events, tasks and requests to the parts of a service."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import nats.errors

from natsgen.dev.catalog import Part
from natsgen.dlq.connection import Acknowledged, Connection
from natsgen.errors import InputError, NatsError

CALL_MARGIN = 1.0  # seconds beyond an action's own limit, so that its own answer arrives
# https://github.com/nats-io/nats-architecture-and-design/blob/main/adr/ADR-32.md
ERROR_CODE, ERROR = "Nats-Service-Error-Code", "Nats-Service-Error"
MESSAGE_ID, CORRELATION, TASK_ID = "Nats-Msg-Id", "Correlation-Id", "Task-Id"


@dataclass(frozen=True)
class Reply:
    """An action's answer.

    Attributes:
        payload: its bytes.
        error: the code and text of its error; empty if it has none.
    """

    payload: bytes
    error: str


def subject_of(part: Part, subject: str | None = None) -> str:
    """Return the subject to publish on.

    Raises:
        InputError: the part has wildcards, and no subject is given.
    """
    found = subject or part.subject
    if "*" in found or ">" in found:
        raise InputError(f"{part.name} receives {found}: specify one of these subjects with --subject")
    return found


async def publish(
    connection: Connection, part: Part, payload: bytes, subject: str, correlation: str = ""
) -> Acknowledged | None:
    """Publish to a part; return the stream's acknowledgement, or None if no stream stores it.

    Raises:
        NatsError: no stream acknowledged it.
    """
    identity = str(uuid4())
    headers = [(MESSAGE_ID, identity), (CORRELATION, correlation or identity)]
    if part.kind == "task":
        headers.append((TASK_ID, identity))
    if part.is_stored:
        return await connection.publish(subject, payload, tuple(headers))
    await connection.client.publish(subject, payload, headers=dict(headers[1:]))
    await connection.client.flush()
    return None


async def call(connection: Connection, part: Part, payload: bytes) -> Reply:
    """Call an action and return its answer.

    Raises:
        NatsError: nobody answered.
    """
    try:
        message = await connection.client.request(
            part.subject, payload, timeout=part.timeout + CALL_MARGIN, headers={CORRELATION: str(uuid4())}
        )
    except nats.errors.NoRespondersError as error:
        raise NatsError(f"nobody answers on {part.subject}: is the service running?") from error
    except (nats.errors.TimeoutError, TimeoutError) as error:
        raise NatsError(f"{part.subject} did not answer within {part.timeout + CALL_MARGIN:g} s") from error
    found: dict[str, Any] = message.headers or {}
    code = found.get(ERROR_CODE, "")
    return Reply(message.data, f"{code}: {found.get(ERROR, '')}" if code else "")
