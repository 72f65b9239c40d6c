"""Finds the streams and consumers that the worker needs, and creates missing ones if `STREAM_MODE` allows that."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import nats.js.errors
from nats.js.api import AckPolicy, DeliverPolicy, RetentionPolicy, StorageType, StreamConfig

from src.infrastructure import dead_letters
from src.infrastructure.errors import ConfigurationError
from src.infrastructure.nats_client import NatsClient, raise_if_transient
from src.infrastructure.subscription import Subscription
from src.utils.logging import logger

NAME_IN_USE = 10058  # a stream of that name has another configuration
NANOSECONDS = 1_000_000_000


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


class Provisioning:
    """The streams and consumers of one service. Every call can be repeated: what is right stays as it is."""

    def __init__(self, nats: NatsClient) -> None:
        self._nats = nats
        self._mode = nats.settings.STREAM_MODE

    async def dead_letters(self) -> None:
        """Make sure that the stream for dead letters exists.

        Raises:
            ConfigurationError: it is missing or unsuitable, and may not be created.
            nats.errors.Error: the server does not answer; try again.
        """
        name, subjects = dead_letters.STREAM, dead_letters.SUBJECTS
        if self._mode == "off":
            return
        try:
            found = (await self._nats.jetstream.stream_info(name)).config
        except nats.js.errors.NotFoundError as error:
            if self._mode == "verify":
                raise ConfigurationError(
                    f"stream {name} is missing, and STREAM_MODE=verify creates none; create it with the subjects "
                    f"{', '.join(subjects)}"
                ) from error
            found = await self._create_stream(name, subjects)
        if set(subjects) - set(found.subjects or ()) or found.retention != RetentionPolicy.LIMITS:
            raise ConfigurationError(
                f"stream {name} has the subjects {', '.join(found.subjects or ())} and the retention "
                f"{found.retention}; dead letters need {', '.join(subjects)} and limits"
            )

    async def stream_for(self, subject: str, stream: str | None = None) -> str:
        """Return the name of the stream that stores a subject.

        Args:
            subject: the subject, perhaps with wildcards.
            stream: the stream's name, if it is known.

        Raises:
            ConfigurationError: there is none, or several, or the server refuses it.
            nats.errors.Error: the server does not answer; try again.
        """
        names = await self._matching(subject, stream)
        if len(names) == 1:
            return names[0]
        if names:
            raise ConfigurationError(
                f"{subject} is in several streams, and a consumer has one: {', '.join(sorted(names))}; name it with "
                f"`stream=`"
            )
        first, missing = subject.split(".")[0], stream or f"for {subject}"
        if self._mode != "create":
            raise ConfigurationError(f"there is no stream {missing}, and STREAM_MODE={self._mode} creates none")
        if first in ("*", ">"):
            raise ConfigurationError(
                f"there is no stream {missing}, and none can be named after a wildcard; create one, or set `stream=`"
            )
        name = stream or first.upper()
        await self._create_stream(name, [f"{first}.>"] if "." in subject else [first])
        return name

    async def consumer_for(self, subscription: Subscription, progress: tuple[Consumer, int] | None = None) -> Consumer:
        """Return the subscription's consumer, created or brought up to date.

        Args:
            subscription: the subscription.
            progress: the consumer as it was, and the sequence up to which everything was settled. A consumer that
                somebody deleted continues from there, not from where `deliver` says.

        Raises:
            ConfigurationError: the server does not have, or refuses, what the subscription asks for.
            nats.errors.Error: the server does not answer; try again.
        """
        stream = await self.stream_for(subscription.subject, subscription.stream)
        info = await self._nats.jetstream.stream_info(stream)
        consumer = Consumer(stream, subscription.durable_for(self._nats.service), info.created)
        start: dict[str, Any] = {"deliver_policy": subscription.deliver}
        # a work queue stream has deleted what was settled, and accepts no other start
        if progress and progress[0] == consumer and info.config.retention != RetentionPolicy.WORK_QUEUE:
            start = {"deliver_policy": DeliverPolicy.BY_START_SEQUENCE.value, "opt_start_seq": progress[1] + 1}
        return await self._ensure(consumer, subscription, subscription.subject, start)

    async def replay_consumer_for(self, subscription: Subscription) -> Consumer:
        """Return the consumer of messages that are replayed to the subscription's handler.

        Raises:
            ConfigurationError, nats.errors.Error: as `consumer_for` does.
        """
        await self.dead_letters()
        service = self._nats.service
        consumer = Consumer(dead_letters.STREAM, f"{subscription.durable_for(service)}-replay")
        subject = dead_letters.replay_subject(service, subscription.handler)
        if self._mode == "off":
            await self._nats.jetstream.consumer_info(consumer.stream, consumer.durable)  # may be created later
        return await self._ensure(consumer, subscription, subject, {"deliver_policy": DeliverPolicy.ALL.value})

    async def _ensure(
        self, consumer: Consumer, subscription: Subscription, subject: str, start: dict[str, Any]
    ) -> Consumer:
        wanted = {
            "ack_policy": AckPolicy.EXPLICIT.value,
            "ack_wait": round(subscription.ack_wait * NANOSECONDS),
            "max_ack_pending": subscription.max_ack_pending,
            "max_deliver": -1,  # the worker counts: nothing counts what the server gives up
            "filter_subject": subject,
            "headers_only": None,
            "priority_groups": None,
            "backoff": None,  # the server would add it to the worker's delays
        }
        name = f"consumer {consumer.durable} on stream {consumer.stream}"
        found = await self._raw_config(consumer)
        if found is None:
            if self._mode == "off":
                return consumer  # it may be created later
            if self._mode == "verify":
                raise ConfigurationError(f"{name} is missing, and STREAM_MODE=verify creates none")
            await self._create_consumer(consumer, {key: value for key, value in wanted.items() if value} | start)
            return consumer
        if found.get("deliver_subject"):
            raise ConfigurationError(
                f"{name} pushes to {found['deliver_subject']}, and the worker needs one to pull from; delete it, or "
                f"name another with `durable=`"
            )
        consumer = replace(consumer, config=found)
        if self._mode == "off":
            _refuse_losses(name, found)
            return consumer
        differences = [
            f"{key} is {_shown(key, found.get(key))}, wanted {_shown(key, value)}"
            for key, value in wanted.items()
            if (found.get(key) or None) != value
        ]
        if not differences:
            return consumer
        if self._mode == "verify":
            raise ConfigurationError(f"{name} differs from its subscription: {'; '.join(differences)}")
        config = {key: value for key, value in (found | wanted).items() if value is not None}
        try:  # the raw configuration, because nats-py would reset what it does not know
            request = {"stream_name": consumer.stream, "config": config}
            await self._nats.ask(f"CONSUMER.DURABLE.CREATE.{consumer.stream}.{consumer.durable}", request)
        except nats.js.errors.APIError as error:
            raise_if_transient(error)
            raise ConfigurationError(
                f"{name} cannot be updated: {error.description}; it differs: {'; '.join(differences)}"
            ) from error
        logger.info("consumer updated", stream=consumer.stream, durable=consumer.durable, changed=differences)
        return consumer

    async def _raw_config(self, consumer: Consumer) -> dict[str, Any] | None:
        try:
            config = (await self._nats.ask(f"CONSUMER.INFO.{consumer.stream}.{consumer.durable}"))["config"]
        except nats.js.errors.NotFoundError:
            return None
        return dict(config)

    async def _create_consumer(self, consumer: Consumer, config: dict[str, Any]) -> None:
        stream, durable = consumer.stream, consumer.durable
        request = {"stream_name": stream, "config": config | {"name": durable, "durable_name": durable}}
        try:
            await self._nats.ask(f"CONSUMER.DURABLE.CREATE.{stream}.{durable}", request)
        except nats.js.errors.APIError as error:
            raise_if_transient(error)
            if await self._raw_config(consumer) is None:  # else another replica was faster
                raise ConfigurationError(
                    f"consumer {durable} on stream {stream} cannot be created: {error.description}"
                ) from error
        else:
            logger.info("consumer created", stream=stream, durable=durable, deliver=config["deliver_policy"])

    async def _matching(self, subject: str, stream: str | None) -> list[str]:
        """Return the streams that can be meant: the named one, or those that store the subject."""
        if stream is not None:
            try:
                await self._nats.jetstream.stream_info(stream)
            except nats.js.errors.NotFoundError:
                return []
            return [stream]
        found = await self._nats.ask("STREAM.NAMES", {"subject": subject})
        # a wildcard may match the worker's own dead letters, and buckets
        names: list[str] = found["streams"] or []
        return [name for name in names if name != dead_letters.STREAM and not name.startswith(("KV_", "OBJ_"))]

    async def _create_stream(self, name: str, subjects: list[str]) -> StreamConfig:
        config = StreamConfig(
            name=name,
            subjects=subjects,
            retention=RetentionPolicy.LIMITS,
            storage=StorageType.FILE,
            num_replicas=self._nats.settings.STREAM_REPLICAS,
        )
        try:
            created = (await self._nats.jetstream.add_stream(config)).config
        except nats.js.errors.APIError as error:
            raise_if_transient(error)
            if error.err_code != NAME_IN_USE:
                raise ConfigurationError(
                    f"stream {name} for {', '.join(subjects)} cannot be created: {error.description}; create it "
                    f"yourself, or name another with `stream=`"
                ) from error
            found = (await self._nats.jetstream.stream_info(name)).config
            if set(subjects) <= set(found.subjects or ()):
                return found  # another service was faster
            raise ConfigurationError(
                f"stream {name} exists with the subjects {', '.join(found.subjects or ())}; add {', '.join(subjects)} "
                f"to them, or name another stream with `stream=`"
            ) from error
        logger.info("stream created", stream=name, stream_subjects=subjects)
        return created


def _refuse_losses(name: str, config: Mapping[str, Any]) -> None:
    """Check that a consumer that is taken as it is loses no messages.

    Raises:
        ConfigurationError: it would.
    """
    losses = {
        f"ack_policy is {config.get('ack_policy')}": config.get("ack_policy") != AckPolicy.EXPLICIT.value,
        f"max_deliver is {config.get('max_deliver')}": (config.get("max_deliver") or -1) > 0,
        "headers_only is set": config.get("headers_only"),
        "priority_groups are set": config.get("priority_groups"),
    }
    if found := [what for what, is_set in losses.items() if is_set]:
        raise ConfigurationError(f"{name} would lose messages: {', '.join(found)}; change or delete it")


def _shown(key: str, value: Any) -> str:
    return f"{value / NANOSECONDS:g} s" if key == "ack_wait" and value else str(value or "not set")
