"""Publishers declared once and used anywhere: `orders = publisher("orders.order.created", model=OrderCreated)`."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from typing import Any, Generic

from nats.js.api import Header, PubAck
from pydantic import BaseModel
from typing_extensions import TypeVar

from src.infrastructure.provisioning import stream_for
from src.infrastructure.publishing import Payload, publish
from src.toolkit.connection import connected

Model = TypeVar("Model", bound=BaseModel, default=Any)

CONCRETE = re.compile(r"[^\s.*>]+(\.[^\s.*>]+)*")  # a subject without wildcards


class Publisher(Generic[Model]):
    """Publishes on one subject.

    Args:
        subject: the subject.
        stream: the stream that must store it. It is created if it is missing and `STREAM_MODE` allows it. By default
            any stream is accepted.
        model: the type of the data.
        timeout: seconds to wait for the stream's confirmation.
    """

    def __init__(
        self, subject: str, *, stream: str | None = None, model: type[Model] | None = None, timeout: float = 15.0
    ) -> None:
        if not CONCRETE.fullmatch(subject):
            raise ValueError(f"invalid subject {subject[:80]!r}: use tokens joined by dots, no wildcards")
        self.subject = subject
        self.stream = stream
        self.timeout = timeout
        self._model = model
        self._stream_is_there = False

    async def publish(
        self, data: Model | Payload, *, headers: Mapping[str, str] | None = None, message_id: str | None = None
    ) -> PubAck:
        """Publish as `publish` of `src.infrastructure.publishing`, and return the stream's confirmation.

        Args:
            data: the model, or a mapping to validate as one; without a model anything that `publish` accepts.
            headers: further headers.
            message_id: the `Nats-Msg-Id`.

        Raises:
            pydantic.ValidationError: the data does not match the model.
            TooLarge: it does not fit into one message.
            TimeoutError: it was not confirmed in time. It may be in the stream, or still reach it.
            NoStream: no stream captures the subject.
            nats.errors.Error: the stream rejects it, or is not the declared one.
        """
        if self._model is not None and not isinstance(data, self._model):
            data = self._model.model_validate(data)
        given = dict(headers or {})
        if self.stream is not None:
            given[Header.EXPECTED_STREAM.value] = self.stream
            await self._create_stream(self.stream)
        try:  # the limit ends this wait; the publication continues, and a handler's message waits for it
            async with asyncio.timeout(self.timeout):
                return await publish(self.subject, data, headers=given, message_id=message_id)
        except TimeoutError as error:
            raise TimeoutError(f"{self.subject}: no stream confirmed it within {self.timeout:g} s") from error

    async def _create_stream(self, stream: str) -> None:
        connection = await connected(self.subject)
        if not self._stream_is_there and connection.settings.STREAM_MODE == "create":
            await stream_for(connection, self.subject, stream)
        self._stream_is_there = True


publisher = Publisher
