"""Publishers declared once and used anywhere: `orders = publisher("orders.order.created", model=OrderCreated)`."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from typing import Any, Generic

import nats.js.errors
from nats.js.api import Header, PubAck
from pydantic import BaseModel
from typing_extensions import TypeVar

from src.infrastructure.handling.publication import Payload
from src.infrastructure.publisher import publish
from src.requests.nats import nats as service_nats
from src.toolkit.connection import connected
from src.toolkit.errors import InvalidName, Unavailable, translated
from src.toolkit.streams import streams

Model = TypeVar("Model", bound=BaseModel, default=Any)

CONCRETE = re.compile(r"[^\s.*>]+(\.[^\s.*>]+)*")


class Publisher(Generic[Model]):
    """What is published on one subject; see `publisher`."""

    def __init__(self, subject: str, stream: str | None, model: type[Model] | None, timeout: float) -> None:
        if not CONCRETE.fullmatch(subject):
            raise InvalidName(f"subject {subject[:80]!r}: one to publish on takes tokens joined by dots, no wildcards")
        self.subject = subject
        self.stream = stream
        self.timeout = timeout
        self._model = model
        self._stream_is_there = False

    async def publish(
        self, data: Model | Payload, *, headers: Mapping[str, str] | None = None, message_id: str | None = None
    ) -> PubAck:
        """Publishes and returns the stream's confirmation; in a handler as `publish` of `src.infrastructure.publisher`.

        Args:
            data: the model, or what it is made of; without a model anything that `publish` takes.
            headers: further headers.
            message_id: the `Nats-Msg-Id`.

        Raises:
            pydantic.ValidationError: the data does not fit the model.
            TooLarge: it does not fit into one message.
            Unavailable: it was not confirmed in time. It may be in the stream, or get there still.
            Missing, Refused: no stream takes it, or not the one that was named.
        """
        if self._model is not None and not isinstance(data, self._model):
            data = self._model.model_validate(data)
        given = dict(headers or {})
        if self.stream is not None:
            given[Header.EXPECTED_STREAM.value] = self.stream
            await self._make_stream(self.stream)
        publication = publish(self.subject, data, headers=given, message_id=message_id)
        waiting = asyncio.ensure_future(publication)
        with translated(self.subject):
            # never cancelled: it is on its way, and a handler's message waits for it
            done, _ = await asyncio.wait([waiting], timeout=self.timeout)
            if not done:
                raise Unavailable(f"{self.subject}: no stream has confirmed it within {self.timeout:g} s")
            return waiting.result()

    async def _make_stream(self, name: str) -> None:
        """Makes the stream where it is missing, and `STREAM_MODE` allows that."""
        if self._stream_is_there:
            return
        connection = await connected(service_nats, self.subject)
        if connection.settings.STREAM_MODE == "create":
            with translated(f"stream {name}"):
                try:
                    await connection.jetstream.stream_info(name)
                except nats.js.errors.NotFoundError:
                    await streams.create(name, [self.subject.split(".")[0] + (".>" if "." in self.subject else "")])
        self._stream_is_there = True


def publisher(
    subject: str, *, stream: str | None = None, model: type[Model] | None = None, timeout: float = 15.0
) -> Publisher[Model]:
    """Declares what is published on a subject.

    Args:
        subject: to publish on.
        stream: that is to have it; another one's confirmation is refused. It is made where it is missing, if
            `STREAM_MODE` allows it. Without a name any stream will do.
        model: what is published; a mapping is validated into it.
        timeout: seconds that the stream has to confirm.
    """
    return Publisher(subject, stream, model, timeout)
