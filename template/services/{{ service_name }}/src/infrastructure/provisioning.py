"""Makes sure that the streams and consumers which the worker needs are on the server."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import nats.js.errors
import orjson
from nats.js import JetStreamContext
from nats.js.api import (
    AckPolicy,
    ConsumerConfig,
    ConsumerInfo,
    DeliverPolicy,
    RetentionPolicy,
    StorageType,
    StreamConfig,
)

from src.config import Settings
from src.infrastructure import dead_letters
from src.infrastructure.errors import ConfigurationError
from src.infrastructure.nats_client import NatsClient
from src.infrastructure.pull_consumer import Consumer
from src.infrastructure.subscription import Subscription
from src.utils.logging import logger

# no suitable peers, no leader or quorum yet, not enough resources; jsapi errors of nats-server's errors.json
PASSING = frozenset({10004, 10005, 10008, 10009, 10023, 10047})
NAME_IN_USE = 10058  # a stream of that name has another configuration
API_TIMEOUT = 5.0  # seconds that JetStream has to answer


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a consumer had come when it was last seen.

    Attributes:
        consumer: which one, in which stream.
        acknowledged: up to this sequence of the stream, everything was settled.
    """

    consumer: Consumer
    acknowledged: int


class Provisioning:
    """What `STREAM_MODE` allows: making what is missing, or only checking.

    Every call may be repeated: what is there already stays as it is.
    """

    def __init__(self, nats: NatsClient, settings: Settings) -> None:
        self._nats = nats
        self._settings = settings

    async def consumer(self, subscription: Subscription, progress: Progress | None = None) -> Consumer:
        """The subscription's consumer, made or brought up to date where `STREAM_MODE` allows it.

        Args:
            subscription: what it is for.
            progress: how far it had come before; where it has to be made again it goes on from there.

        Raises:
            ConfigurationError: the server does not have, or refuses, what the subscription wants.
            nats.errors.Error: the server does not answer; to be tried again.
        """
        stream = await self._stream_of(subscription)
        info = await self._nats.jetstream.stream_info(stream)
        consumer = Consumer(stream, subscription.durable_for(self._settings.SERVICE_NAME), info.created)
        if info.config.retention == RetentionPolicy.WORK_QUEUE:
            progress = None  # what was settled is gone from there, and such a stream takes no other start
        if self._settings.STREAM_MODE != "off":
            await self._ensure_consumer(consumer, subscription, progress)
        return consumer

    async def dead_letters(self) -> None:
        """The stream that keeps dead letters, made where `STREAM_MODE` allows it.

        Raises:
            ConfigurationError: the server does not have it, or refuses it.
            nats.errors.Error: the server does not answer; to be tried again.
        """
        jetstream = self._nats.jetstream
        if self._settings.STREAM_MODE == "off":
            return
        try:
            found = (await jetstream.stream_info(dead_letters.STREAM)).config
            if set(dead_letters.SUBJECTS) - set(found.subjects or ()) or found.retention != RetentionPolicy.LIMITS:
                raise ConfigurationError(
                    f"stream {dead_letters.STREAM} has the subjects {', '.join(found.subjects or ())} and the "
                    f"retention {_shown(found.retention)}; dead letters need {', '.join(dead_letters.SUBJECTS)} and "
                    f"limits"
                )
        except nats.js.errors.NotFoundError as error:
            if self._settings.STREAM_MODE == "verify":
                raise ConfigurationError(
                    f"stream {dead_letters.STREAM} is missing, and STREAM_MODE=verify makes none; "
                    f"make it with the subjects {', '.join(dead_letters.SUBJECTS)}"
                ) from error
            await self._make_stream(jetstream, dead_letters.STREAM, dead_letters.SUBJECTS)

    async def _stream_of(self, subscription: Subscription) -> str:
        names = await self._matching(subscription)
        if len(names) == 1:
            return names[0]
        if names:
            raise ConfigurationError(
                f"{subscription.subject} is in several streams, and a consumer has one: {', '.join(sorted(names))}; "
                f"name it with `stream=`"
            )
        first = subscription.subject.split(".")[0]
        missing = subscription.stream or f"for {subscription.subject}"
        if self._settings.STREAM_MODE != "create":
            raise ConfigurationError(
                f"there is no stream {missing}, and STREAM_MODE={self._settings.STREAM_MODE} makes none"
            )
        if first in ("*", ">"):
            raise ConfigurationError(
                f"there is no stream {missing}, and none can be named after a wildcard; make one, or give "
                f"`stream=` to the subscriber"
            )
        name = subscription.stream or first.upper()
        subjects = [f"{first}.>"] if "." in subscription.subject else [first]
        await self._make_stream(self._nats.jetstream, name, subjects)
        return name

    async def _matching(self, subscription: Subscription) -> list[str]:
        """The streams that the subscription can mean: the one it names, or those that have its subject."""
        if subscription.stream is not None:
            try:
                await self._nats.jetstream.stream_info(subscription.stream)
            except nats.js.errors.NotFoundError:
                return []
            return [subscription.stream]
        found = await self._ask("$JS.API.STREAM.NAMES", {"subject": subscription.subject})
        # a wildcard may reach into the worker's own dead letters, and into buckets
        own = (dead_letters.STREAM, "KV_", "OBJ_")
        return [name for name in found["streams"] or () if not name.startswith(own)]

    async def _make_stream(self, jetstream: JetStreamContext, name: str, subjects: list[str]) -> None:
        config = StreamConfig(
            name=name,
            subjects=subjects,
            retention=RetentionPolicy.LIMITS,
            storage=StorageType.FILE,
            num_replicas=self._settings.STREAM_REPLICAS,
        )
        try:
            await jetstream.add_stream(config)
        except nats.js.errors.APIError as error:
            _raise_if_passing(error)
            if error.err_code == NAME_IN_USE:
                there = (await jetstream.stream_info(name)).config.subjects or []
                raise ConfigurationError(
                    f"stream {name} exists with the subjects {', '.join(there)}; add {', '.join(subjects)} to them, or "
                    f"name another stream with `stream=`"
                ) from error
            raise ConfigurationError(
                f"stream {name} for {', '.join(subjects)} cannot be made: {error.description}; make it by hand, "
                f"or name another with `stream=`"
            ) from error
        logger.info("stream made", stream=name, stream_subjects=subjects, replicas=self._settings.STREAM_REPLICAS)

    async def _ensure_consumer(self, consumer: Consumer, subscription: Subscription, progress: Progress | None) -> None:
        jetstream, stream, durable = self._nats.jetstream, consumer.stream, consumer.durable
        wanted: dict[str, Any] = {
            "ack_policy": AckPolicy.EXPLICIT,
            "ack_wait": subscription.ack_wait,
            "max_ack_pending": subscription.max_ack_pending,
            "max_deliver": -1,  # the worker counts: what the server gives up on is counted nowhere
            "filter_subject": subscription.subject,
        }
        try:
            found = await jetstream.consumer_info(stream, durable)
        except nats.js.errors.NotFoundError as error:
            if self._settings.STREAM_MODE == "verify":
                raise ConfigurationError(
                    f"consumer {durable} on stream {stream} is missing, and STREAM_MODE=verify makes none"
                ) from error
            start = _start(subscription, consumer, progress)
            config = ConsumerConfig(name=durable, durable_name=durable, **wanted, **start)
            try:
                await jetstream.add_consumer(stream, config)
            except nats.js.errors.APIError as refusal:
                _raise_if_passing(refusal)
                raise ConfigurationError(
                    f"consumer {durable} on stream {stream} cannot be made: {refusal.description}"
                ) from refusal
            logger.info("consumer made", stream=stream, durable=durable, deliver=start["deliver_policy"].value)
            return
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
        await self._update_consumer(consumer, wanted, differences)
        logger.info("consumer updated", stream=stream, durable=durable, changed=differences)

    async def _update_consumer(self, consumer: Consumer, wanted: dict[str, Any], differences: list[str]) -> None:
        """Changes what is wanted and keeps the rest, also what nats-py does not know and would reset."""
        stream, durable = consumer.stream, consumer.durable
        config = (await self._ask(f"$JS.API.CONSUMER.INFO.{stream}.{durable}"))["config"]
        config |= wanted | {"ack_wait": int(wanted["ack_wait"] * 1e9)}
        config.pop("backoff", None)
        request = {"stream_name": stream, "config": config}
        try:
            await self._ask(f"$JS.API.CONSUMER.DURABLE.CREATE.{stream}.{durable}", request)
        except nats.js.errors.APIError as error:
            _raise_if_passing(error)
            raise ConfigurationError(
                f"consumer {durable} on stream {stream} cannot be updated: {error.description}; "
                f"it differs: {'; '.join(differences)}"
            ) from error

    async def _ask(self, subject: str, request: dict[str, Any] | None = None) -> dict[str, Any]:
        """Calls the JetStream API.

        Raises:
            nats.js.errors.APIError: the server refuses.
            nats.errors.Error: it does not answer.
        """
        payload = orjson.dumps(request) if request else b""
        answer = await self._nats.client.request(subject, payload, timeout=API_TIMEOUT)
        response: dict[str, Any] = orjson.loads(answer.data)
        if "error" in response:
            raise nats.js.errors.APIError.from_error(response["error"])
        return response


def _raise_if_passing(error: nats.js.errors.APIError) -> None:
    """Raises a refusal again that may be over in a moment, such as while a cluster finds its leaders."""
    if isinstance(error, nats.js.errors.ServiceUnavailableError) or error.err_code in PASSING:
        raise error


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
