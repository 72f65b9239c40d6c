"""Finds the streams that the worker stands on, and makes those that are missing where `STREAM_MODE` allows it."""

from __future__ import annotations

import math
from typing import Protocol

import nats.js.errors
from nats.js.api import RetentionPolicy, StorageType, StreamConfig

from src.config import Settings
from src.infrastructure import dead_letters
from src.infrastructure.connection.jetstream_api import ask, raise_if_passing
from src.infrastructure.errors import ConfigurationError
from src.infrastructure.nats_client import NatsClient
from src.utils.logging import logger

NAME_IN_USE = 10058  # a stream of that name has another configuration
MET_LATER = 24 * 3600.0  # seconds that a retry is kept beyond its delay, for a handler that is away by then


class Wanted(Protocol):
    """What needs a stream: a subscription, or a publisher."""

    @property
    def subject(self) -> str:
        """That the stream has to hold."""

    @property
    def stream(self) -> str | None:
        """The stream's name; None where it is found by the subject."""


class Streams:
    """The streams of one service. Every call may be repeated: what is there already stays as it is."""

    def __init__(self, nats: NatsClient, settings: Settings) -> None:
        self._nats = nats
        self._settings = settings
        self._longest_delay = 0.0  # seconds; the stream DLQ takes nothing that is to be sent later than that

    def can_schedule(self, delay: float) -> bool:
        """Whether the stream DLQ takes a message that is to be sent in `delay` seconds, and keeps it until then."""
        return delay <= self._longest_delay

    async def dead_letters(self) -> None:
        """The stream that keeps dead letters, made where `STREAM_MODE` allows it.

        Raises:
            ConfigurationError: the server does not have it, or refuses it.
            nats.errors.Error: the server does not answer; to be tried again.
        """
        try:
            found = (await self._nats.jetstream.stream_info(dead_letters.STREAM)).config
        except nats.js.errors.NotFoundError as error:
            if self._settings.STREAM_MODE == "off":
                return
            if self._settings.STREAM_MODE == "verify":
                raise ConfigurationError(
                    f"stream {dead_letters.STREAM} is missing, and STREAM_MODE=verify makes none; "
                    f"make it with the subjects {', '.join(dead_letters.SUBJECTS)}"
                ) from error
            found = await self._make_stream(dead_letters.STREAM, dead_letters.SUBJECTS, allow_msg_schedules=True)
        if self._settings.STREAM_MODE != "off" and (
            set(dead_letters.SUBJECTS) - set(found.subjects or ()) or found.retention != RetentionPolicy.LIMITS
        ):
            raise ConfigurationError(
                f"stream {dead_letters.STREAM} has the subjects {', '.join(found.subjects or ())} and the "
                f"retention {found.retention}; dead letters need {', '.join(dead_letters.SUBJECTS)} and "
                f"limits"
            )
        schedules = bool(found.allow_msg_schedules) or await self._allow_schedules()
        self._longest_delay = _kept_for(found) - MET_LATER if schedules else 0.0

    async def _allow_schedules(self) -> bool:
        """Has an older stream `DLQ` take scheduled messages; whether it does."""
        if self._settings.STREAM_MODE != "create":
            return False
        # the raw configuration: nats-py would reset what it does not know of
        config = (await ask(self._nats.client, f"STREAM.INFO.{dead_letters.STREAM}"))["config"]
        try:
            updated = await ask(
                self._nats.client, f"STREAM.UPDATE.{dead_letters.STREAM}", config | {"allow_msg_schedules": True}
            )
        except nats.js.errors.APIError as error:
            raise_if_passing(error)
            logger.warning("long delays cannot be scheduled", stream=dead_letters.STREAM, error=error.description)
            return False
        return bool(updated["config"].get("allow_msg_schedules"))

    async def holding(self, wanted: Wanted) -> str:
        """Name of the stream that holds the messages of what is wanted, made where `STREAM_MODE` allows it.

        Raises:
            ConfigurationError: there is none, or several, or the server refuses it.
            nats.errors.Error: the server does not answer; to be tried again.
        """
        names = await self._matching(wanted)
        if len(names) == 1:
            return names[0]
        if names:
            raise ConfigurationError(
                f"{wanted.subject} is in several streams, and a consumer has one: {', '.join(sorted(names))}; "
                f"name it with `stream=`"
            )
        first = wanted.subject.split(".")[0]
        missing = wanted.stream or f"for {wanted.subject}"
        if self._settings.STREAM_MODE != "create":
            raise ConfigurationError(
                f"there is no stream {missing}, and STREAM_MODE={self._settings.STREAM_MODE} makes none"
            )
        if first in ("*", ">"):
            raise ConfigurationError(
                f"there is no stream {missing}, and none can be named after a wildcard; make one, or give "
                f"`stream=` to the subscriber"
            )
        name = wanted.stream or first.upper()
        subjects = [f"{first}.>"] if "." in wanted.subject else [first]
        await self._make_stream(name, subjects)
        return name

    async def _matching(self, wanted: Wanted) -> list[str]:
        """The streams that can be meant: the one it names, or those that have its subject."""
        if wanted.stream is not None:
            try:
                await self._nats.jetstream.stream_info(wanted.stream)
            except nats.js.errors.NotFoundError:
                return []
            return [wanted.stream]
        found = await ask(self._nats.client, "STREAM.NAMES", {"subject": wanted.subject})
        # a wildcard may reach into the worker's own dead letters, and into buckets
        return [
            name
            for name in found["streams"] or ()
            if name != dead_letters.STREAM and not name.startswith(("KV_", "OBJ_"))
        ]

    async def _make_stream(
        self, name: str, subjects: list[str], *, allow_msg_schedules: bool | None = None
    ) -> StreamConfig:
        jetstream = self._nats.jetstream
        config = StreamConfig(
            name=name,
            subjects=subjects,
            retention=RetentionPolicy.LIMITS,
            storage=StorageType.FILE,
            num_replicas=self._settings.STREAM_REPLICAS,
            allow_msg_schedules=allow_msg_schedules,
        )
        try:
            made = await jetstream.add_stream(config)
        except nats.js.errors.APIError as error:
            raise_if_passing(error)
            if error.err_code == NAME_IN_USE:
                found = (await jetstream.stream_info(name)).config
                there = found.subjects or []
                if set(subjects) <= set(there):
                    return found  # another service was faster
                raise ConfigurationError(
                    f"stream {name} exists with the subjects {', '.join(there)}; add {', '.join(subjects)} to them, or "
                    f"name another stream with `stream=`"
                ) from error
            raise ConfigurationError(
                f"stream {name} for {', '.join(subjects)} cannot be made: {error.description}; make it by hand, "
                f"or name another with `stream=`"
            ) from error
        logger.info("stream made", stream=name, stream_subjects=subjects, replicas=self._settings.STREAM_REPLICAS)
        return made.config


def _kept_for(config: StreamConfig) -> float:
    """Seconds that a stream keeps a message for certain: none where others may push it out."""
    if any((limit or 0) > 0 for limit in (config.max_msgs, config.max_bytes, config.max_msgs_per_subject)):
        return 0.0
    return config.max_age or math.inf
