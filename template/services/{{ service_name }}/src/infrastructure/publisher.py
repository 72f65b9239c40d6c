"""Publishes from anywhere in the service: `await publish("billing.invoice.written", event)`."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import uuid4

from src.infrastructure.handling.context import batch_publications, current_message
from src.infrastructure.handling.publication import (
    Payload,
    Publication,
    PublishChannel,
    following,
    id_of,
    publication_of,
    wire,
)

_channel: PublishChannel | None = None


def publish_over(channel: PublishChannel | None) -> None:
    """Has `publish` use this connection; the worker says so when it starts, and takes it back when it stops."""
    global _channel
    _channel = channel


def channel() -> PublishChannel | None:
    """What `publish` uses; None where no worker runs."""
    return _channel


def publish(
    subject: str, data: Payload, *, headers: Mapping[str, str] | None = None, message_id: str | None = None
) -> Publication:
    """Publishes to a stream: as `Message.publish` where a handler called this, else as the start of a new chain, or
    as what follows from the request that an action answers.

    A batch handler's messages, too, are acknowledged only after what it published so has been confirmed.

    Args:
        subject: a subject that a stream listens to.
        data: an envelope, another model or a mapping, sent as JSON, or the payload itself.
        headers: further headers, such as `Correlation-Id`.
        message_id: the `Nats-Msg-Id`; an envelope's is its id, and anything else gets a random one.

    Raises:
        RuntimeError: no worker runs in this process.
        nats.errors.Error: when awaited: no stream confirmed in time, or one refused.
    """
    if (message := current_message.get()) is not None:
        return message.publish(subject, data, headers=headers, message_id=message_id)
    if _channel is None:
        raise RuntimeError(f"{subject}: no worker runs in this process that could publish it")
    publication = published_over(_channel, subject, data, headers=headers, message_id=message_id)
    if (batch := batch_publications.get()) is not None:
        batch.add(publication)
    return publication


def published_over(
    channel: PublishChannel,
    subject: str,
    data: Payload,
    *,
    headers: Mapping[str, str] | None = None,
    message_id: str | None = None,
) -> Publication:
    """Publishes over a connection; what `publish` does where it follows from no message."""
    identity = message_id or id_of(data, subject) or str(uuid4())
    payload, own = wire(data)
    given = {"Nats-Msg-Id": identity, "Correlation-Id": identity, **following(), **own, **(headers or {})}
    return publication_of(channel, subject, payload, given)
