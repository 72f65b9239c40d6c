"""Finds the streams and consumers that the worker needs, and creates missing ones if `STREAM_MODE` allows that."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from nats.js.api import AckPolicy, DeliverPolicy, RetentionPolicy, StreamInfo
from nats.js.errors import APIError, NotFoundError, ServiceUnavailableError

from src.infrastructure.errors import ConfigurationError
from src.infrastructure.nats_client import NatsClient
from src.infrastructure.subscription import Subscription
from src.utils.logging import logger

# No suitable peers, no leader or quorum yet, too few resources, another service was faster to create the stream:
# https://github.com/nats-io/nats-server errors.json
TRANSIENT = frozenset({10004, 10005, 10008, 10009, 10023, 10047, 10058})
DLQ = "DLQ"  # the stream for dead letters and their replays
SAFE = {
    "ack_policy": AckPolicy.EXPLICIT.value,
    "max_deliver": -1,  # the worker counts: nothing counts what the server gives up
    "headers_only": None,
    "priority_groups": None,
    "deliver_subject": None,  # the worker pulls
}
"""What a consumer's configuration must have even if the worker takes it as it is; else messages are lost."""


@dataclass(frozen=True, slots=True)
class Consumer:
    """A JetStream consumer that exists on the server.

    Attributes:
        stream: the name of its stream.
        durable: its own name.
        stream_created: when the stream was created; a recreated stream counts from 1 again.
        config: its configuration, as far as the server told it.
    """

    stream: str
    durable: str
    stream_created: datetime | None = None
    config: Mapping[str, Any] = field(default_factory=dict, compare=False)

    def limit(self, key: str, ours: int) -> int:
        """Return our value, or the consumer's own limit if that is lower."""
        return min(ours, self.config.get(key) or ours)


async def ensure_dead_letters(nats: NatsClient) -> None:
    """Make sure that the stream for dead letters exists.

    Raises:
        ConfigurationError: it is missing or unsuitable, and may not be created.
        nats.errors.Error: the server does not answer; try again.
    """
    if nats.settings.STREAM_MODE == "off":
        return
    retention = (await ensure_stream(nats, DLQ, ["dlq.>", "replay.>"])).config.retention
    if retention != RetentionPolicy.LIMITS:
        raise ConfigurationError(f"stream {DLQ} has the retention {retention}; it needs limits")


async def stream_for(nats: NatsClient, subject: str, stream: str | None = None) -> StreamInfo:
    """Return the stream that stores a subject.

    Args:
        subject: the subject, perhaps with wildcards.
        stream: the stream's name, if it is known.

    Raises:
        ConfigurationError: there is none, or several, or the server refuses it.
        nats.errors.Error: the server does not answer; try again.
    """
    names = await _streams_with(nats, subject) if stream is None else [stream]
    if len(names) > 1:
        raise ConfigurationError(f"{subject} is in several streams; set stream= to one: {', '.join(sorted(names))}")
    if names and (found := await _stream(nats, names[0])):
        return found
    first = subject.split(".")[0]
    if first in ("*", ">"):
        raise ConfigurationError(f"there is no stream {stream or f'for {subject}'}, and a wildcard creates none")
    return await ensure_stream(nats, stream or first.upper(), [f"{first}.>"] if "." in subject else [first])


async def consumer_for(
    nats: NatsClient, subscription: Subscription, progress: tuple[Consumer, int] | None = None
) -> Consumer:
    """Return the subscription's consumer, created or brought up to date.

    Args:
        subscription: the subscription.
        progress: the consumer as it was, and the sequence up to which everything was settled. A consumer that
            somebody deleted continues from there, not from where `deliver` says.

    Raises:
        ConfigurationError: the server does not have, or refuses, what the subscription asks for.
        nats.errors.Error: the server does not answer, or with `STREAM_MODE=off` has no consumer; try again.
    """
    info, subject = await stream_for(nats, subscription.subject, subscription.stream), subscription.subject
    stream, moved = str(info.config.name), info.config.subject_transform
    if moved and not {"*", ">"} & set(subject) and matches(moved.src, subject) and not matches(moved.dest, subject):
        raise ConfigurationError(f"stream {stream} stores {subject} as {moved.dest}, so subscribe to that")
    consumer = Consumer(stream, subscription.durable_for(nats.service), info.created)
    start: dict[str, Any] = {"deliver_policy": subscription.deliver}
    # a work queue stream has deleted what was settled, and accepts no other start
    if progress and progress[0] == consumer and info.config.retention != RetentionPolicy.WORK_QUEUE:
        start = {"deliver_policy": DeliverPolicy.BY_START_SEQUENCE.value, "opt_start_seq": progress[1] + 1}
    return await _ensure_consumer(nats, consumer, subscription, subject, start)


async def replay_consumer_for(nats: NatsClient, subscription: Subscription) -> Consumer:
    """Return the consumer of messages that are replayed to the subscription's handler.

    Raises:
        ConfigurationError, nats.errors.Error: as `consumer_for` does.
    """
    await ensure_dead_letters(nats)
    consumer = Consumer(DLQ, f"{subscription.durable_for(nats.service)}-replay")
    subject = f"replay.{nats.service}.{subscription.handler}"
    return await _ensure_consumer(nats, consumer, subscription, subject, {"deliver_policy": DeliverPolicy.ALL.value})


async def _ensure_consumer(
    nats: NatsClient, consumer: Consumer, subscription: Subscription, subject: str, start: dict[str, Any]
) -> Consumer:
    wanted = {
        **SAFE,
        "ack_wait": round(subscription.ack_wait * 1e9),
        "max_ack_pending": subscription.max_ack_pending,
        "filter_subject": subject,
        "backoff": None,  # the server would add it to the worker's delays
    }
    name = f"consumer {consumer.durable} on stream {consumer.stream}"
    try:
        found = (await consumer_info(nats, consumer))["config"]
    except NotFoundError:
        if nats.settings.STREAM_MODE == "off":
            raise
        found = {}
    if not (differences := differences_of(found, SAFE if nats.settings.STREAM_MODE == "off" else wanted)):
        return replace(consumer, config=found)
    if nats.settings.STREAM_MODE != "create":
        problem = f"does not fit: {differences}; change or delete it" if found else "is missing; create it"
        raise ConfigurationError(f"{name} {problem}, since STREAM_MODE={nats.settings.STREAM_MODE} does not")
    merged = {"durable_name": consumer.durable, **(found or start), **wanted}
    request = {"stream_name": consumer.stream, "config": {k: v for k, v in merged.items() if v is not None}}
    try:  # the raw configuration, because nats-py would reset what it does not know
        answer = await nats.ask(f"CONSUMER.DURABLE.CREATE.{consumer.stream}.{consumer.durable}", request)
    except APIError as error:
        raise_if_transient(error)
        if not found:  # perhaps another replica was faster
            with suppress(NotFoundError):
                return replace(consumer, config=(await consumer_info(nats, consumer))["config"])
        raise ConfigurationError(f"{name} is refused: {error.description}; {differences}") from error
    changed = {"changed": differences} if found else {}
    logger.info("consumer provisioned", stream=consumer.stream, durable=consumer.durable, **changed)
    return replace(consumer, config=answer["config"])


async def consumer_info(nats: NatsClient, consumer: Consumer) -> dict[str, Any]:
    """Return what the server says of a consumer, which nats-py would return in part."""
    return await nats.ask(f"CONSUMER.INFO.{consumer.stream}.{consumer.durable}")


def differences_of(config: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    """Return where a consumer's configuration is not as wanted, in words; empty if it is."""
    return "; ".join(
        f"{key} is {config.get(key) or 'not set'}, wanted {value or 'not set'}"
        for key, value in wanted.items()
        if (config.get(key) or None) != value
    )


async def _streams_with(nats: NatsClient, subject: str) -> list[str]:
    names = (await nats.ask("STREAM.NAMES", {"subject": subject}))["streams"]
    # a wildcard may match the worker's own dead letters, and buckets
    return [name for name in names or () if name != DLQ and not name.startswith(("KV_", "OBJ_"))]


async def _stream(nats: NatsClient, name: str) -> StreamInfo | None:
    with suppress(NotFoundError):
        return await nats.jetstream.stream_info(name)
    return None


async def ensure_stream(nats: NatsClient, name: str, subjects: list[str], **options: Any) -> StreamInfo:
    """Return a stream; create it if `STREAM_MODE` allows that.

    Args:
        nats: the connection.
        name: the stream's name.
        subjects: what it must store.
        options: further options of a new stream.

    Raises:
        ConfigurationError: it is missing or stores other subjects, or the server refuses it.
        nats.errors.Error: the server does not answer; try again.
    """
    mode, listed = nats.settings.STREAM_MODE, ", ".join(subjects)
    if (found := await _stream(nats, name)) is None:
        if mode != "create":
            raise ConfigurationError(f"there is no stream {name} for {listed}, and STREAM_MODE={mode} creates none")
        replicas = nats.settings.STREAM_REPLICAS
        try:
            found = await nats.jetstream.add_stream(name=name, subjects=subjects, num_replicas=replicas, **options)
        except APIError as error:
            raise_if_transient(error)
            raise ConfigurationError(f"stream {name} for {listed} is refused: {error.description}") from error
        logger.info("stream created", stream=name, stream_subjects=subjects)
    if set(subjects) - set(found.config.subjects or ()):
        has = ", ".join(found.config.subjects or ())
        raise ConfigurationError(f"stream {name} has {has}; add {listed} to them, or name another with `stream=`")
    return found


def matches(pattern: str, subject: str) -> bool:
    """Return whether a subject matches a pattern, which may also be the target of a subject transform."""
    return bool(re.fullmatch(re.sub(r"\\{\\{.*?\\}\\}|\\\*", "[^.]+", re.escape(pattern)).replace(">", ".+"), subject))


def raise_if_transient(error: APIError) -> None:
    """Raise an API error again if it may be over in a moment, such as during an election."""
    if isinstance(error, ServiceUnavailableError) or error.err_code in TRANSIENT:
        raise error
