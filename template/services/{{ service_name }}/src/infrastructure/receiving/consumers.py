"""Makes sure that the JetStream consumers are there, as their subscriptions say, where `STREAM_MODE` allows it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import nats.js.errors
from nats.js.api import AckPolicy, ConsumerConfig, ConsumerInfo, DeliverPolicy, RetentionPolicy

from src.config import Settings
from src.infrastructure import dead_letters
from src.infrastructure.connection.jetstream_api import ask, raise_if_passing
from src.infrastructure.errors import ConfigurationError
from src.infrastructure.handling.replays import replay_subject
from src.infrastructure.nats_client import NatsClient
from src.infrastructure.pull_consumer import Consumer
from src.infrastructure.receiving.streams import Streams
from src.infrastructure.subscription import Subscription
from src.utils.logging import logger


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a consumer had come when it was last seen.

    Attributes:
        consumer: which one, in which stream.
        acknowledged: up to this sequence of the stream, everything was settled.
    """

    consumer: Consumer
    acknowledged: int


class Consumers:
    """The consumers of one service. Every call may be repeated: what is there as it should be stays so."""

    def __init__(self, nats: NatsClient, streams: Streams, settings: Settings) -> None:
        self._nats = nats
        self._streams = streams
        self._settings = settings

    async def provide(self, subscription: Subscription, progress: Progress | None = None) -> Consumer:
        """The subscription's consumer, made or brought up to date.

        Args:
            subscription: what it is for.
            progress: how far it had come before; where it has to be made again it goes on from there.

        Raises:
            ConfigurationError: the server does not have, or refuses, what the subscription wants.
            nats.errors.Error: the server does not answer; to be tried again.
        """
        stream = await self._streams.holding(subscription)
        info = await self._nats.jetstream.stream_info(stream)
        consumer = Consumer(stream, subscription.durable_for(self._settings.SERVICE_NAME), info.created)
        if info.config.retention == RetentionPolicy.WORK_QUEUE:
            progress = None  # what was settled is gone from there, and such a stream takes no other start
        wanted = _wanted(subscription, subscription.subject)
        await self._ensure(consumer, wanted, _start(subscription, consumer, progress))
        return consumer

    async def provide_replays(self, subscription: Subscription) -> Consumer:
        """The consumer of what comes back to the subscription's handler, made or brought up to date.

        Raises:
            as `provide`; with `STREAM_MODE=off` also NotFoundError: it is not there, and may come.
        """
        await self._streams.dead_letters()
        service = self._settings.SERVICE_NAME
        info = await self._nats.jetstream.stream_info(dead_letters.STREAM)
        consumer = Consumer(dead_letters.STREAM, f"{subscription.durable_for(service)}-replay", info.created)
        if self._settings.STREAM_MODE == "off":
            await self._nats.jetstream.consumer_info(consumer.stream, consumer.durable)
        wanted = _wanted(subscription, replay_subject(service, subscription.handler))
        await self._ensure(consumer, wanted, {"deliver_policy": DeliverPolicy.ALL})
        return consumer

    async def _ensure(self, consumer: Consumer, wanted: dict[str, Any], start: dict[str, Any]) -> None:
        stream, durable = consumer.stream, consumer.durable
        if self._settings.STREAM_MODE == "off":
            return
        try:
            found = await self._nats.jetstream.consumer_info(stream, durable)
        except nats.js.errors.NotFoundError as error:
            if self._settings.STREAM_MODE == "verify":
                raise ConfigurationError(
                    f"consumer {durable} on stream {stream} is missing, and STREAM_MODE=verify makes none"
                ) from error
            found = await self._make(consumer, wanted, start)
        if found.config.deliver_subject:
            raise ConfigurationError(
                f"consumer {durable} on stream {stream} pushes to {found.config.deliver_subject}, wanted one to pull "
                f"from; delete it, or name another with `durable=`"
            )
        differences = _differences(found, wanted)
        if not differences:
            return
        if self._settings.STREAM_MODE == "verify":
            raise ConfigurationError(
                f"consumer {durable} on stream {stream} is not as its subscription says: {'; '.join(differences)}"
            )
        await self._update(consumer, wanted, differences)
        logger.info("consumer updated", stream=stream, durable=durable, changed=differences)

    async def _make(self, consumer: Consumer, wanted: dict[str, Any], start: dict[str, Any]) -> ConsumerInfo:
        """Makes the consumer, unless another replica was faster, which may know another place to start from."""
        stream, durable = consumer.stream, consumer.durable
        config = ConsumerConfig(name=durable, durable_name=durable, **wanted, **start)
        try:
            made: ConsumerInfo = await self._nats.jetstream.add_consumer(stream, config)
        except nats.js.errors.APIError as error:
            raise_if_passing(error)
            with suppress(nats.js.errors.NotFoundError):
                found: ConsumerInfo = await self._nats.jetstream.consumer_info(stream, durable)
                return found
            raise ConfigurationError(
                f"consumer {durable} on stream {stream} cannot be made: {error.description}"
            ) from error
        logger.info("consumer made", stream=stream, durable=durable, deliver=start["deliver_policy"].value)
        return made

    async def _update(self, consumer: Consumer, wanted: dict[str, Any], differences: list[str]) -> None:
        """Changes what is wanted and keeps the rest, also what nats-py does not know and would reset."""
        stream, durable = consumer.stream, consumer.durable
        config = (await ask(self._nats.client, f"CONSUMER.INFO.{stream}.{durable}"))["config"]
        config |= wanted | {"ack_wait": int(wanted["ack_wait"] * 1e9)}
        config.pop("backoff", None)
        request = {"stream_name": stream, "config": config}
        try:
            await ask(self._nats.client, f"CONSUMER.DURABLE.CREATE.{stream}.{durable}", request)
        except nats.js.errors.APIError as error:
            raise_if_passing(error)
            raise ConfigurationError(
                f"consumer {durable} on stream {stream} cannot be updated: {error.description}; "
                f"it differs: {'; '.join(differences)}"
            ) from error


def _wanted(subscription: Subscription, subject: str) -> dict[str, Any]:
    return {
        "ack_policy": AckPolicy.EXPLICIT,
        "ack_wait": subscription.ack_wait,
        "max_ack_pending": subscription.max_ack_pending,
        "max_deliver": -1,  # the worker counts: what the server gives up on is counted nowhere
        "filter_subject": subject,
    }


def _start(subscription: Subscription, consumer: Consumer, progress: Progress | None) -> dict[str, Any]:
    """Where a new consumer starts: where it had come to in this very stream, else as the subscription says."""
    if progress is None or progress.consumer != consumer or not progress.acknowledged:
        return {"deliver_policy": DeliverPolicy(subscription.deliver)}
    return {"deliver_policy": DeliverPolicy.BY_START_SEQUENCE, "opt_start_seq": progress.acknowledged + 1}


def _differences(found: ConsumerInfo, wanted: dict[str, Any]) -> list[str]:
    differences = [
        f"{name} is {_shown(actual)}, wanted {_shown(value)}"
        for name, value in wanted.items()
        if (actual := getattr(found.config, name)) != value
    ]
    if found.config.backoff:
        # the server would add its own delays to those of the worker
        differences.append(f"backoff is {found.config.backoff}, wanted none")
    return differences


def _shown(value: Any) -> str:
    return str(getattr(value, "value", value))
