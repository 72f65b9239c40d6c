"""What a command asks of the server, and every way in which the server does not do it told in one message."""

from __future__ import annotations

import asyncio
import json
import os
from dataclasses import dataclass
from typing import Any

import nats.errors
from nats.aio.client import Client

from natsgen.dlq.addresses import without_secrets
from natsgen.dlq.headers import Headers, Outgoing
from natsgen.errors import NatsError

API = "$JS.API"
REQUEST_LIMIT = 5.0  # seconds that the server has to answer

_NOT_FOUND = 404


class ApiError(NatsError):
    """JetStream refused a request.

    Attributes:
        code: as in HTTP.
        error_code: JetStream's own.
    """

    def __init__(self, verb: str, error: dict[str, Any]) -> None:
        super().__init__(f"JetStream refused {verb}: {error.get('description', 'no reason given')}")
        self.code = int(error.get("code", 0))
        self.error_code = int(error.get("err_code", 0))

    @property
    def is_not_found(self) -> bool:
        """Whether what was asked for is not there."""
        return self.code == _NOT_FOUND


class NoStreamError(NatsError):
    """No stream takes a subject."""


@dataclass(frozen=True)
class Acknowledged:
    """A stream's confirmation that it holds a message; `duplicate` if it held it before."""

    stream: str
    sequence: int
    duplicate: bool


class Connection:
    """A connected client. All methods raise `NatsError` when the server does not answer or refuses."""

    def __init__(self, client: Client, failed: asyncio.Future[NatsError]) -> None:
        self.client = client
        self.failed = failed  # done as soon as the connection is lost, or the server forbids something
        url = client.connected_url
        self.server = without_secrets(url.geturl()) if url else ""

    @property
    def is_usable(self) -> bool:
        """Whether the server is still there, as far as is known."""
        return self.client.is_connected and not self.failed.done()

    @property
    def max_payload(self) -> int:
        """Bytes that the server takes in one message, headers included."""
        return self.client.max_payload

    async def api(self, verb: str, request: dict[str, Any] | None = None) -> dict[str, Any]:
        """What JetStream answers to a request such as `STREAM.INFO.DLQ`.

        Raises:
            ApiError: it refused.
        """
        payload = json.dumps(request).encode() if request is not None else b""
        try:
            answer = await self._request(f"{API}.{verb}", payload)
        except nats.errors.NoRespondersError as error:
            raise NatsError(f"NATS at {self.server} has no JetStream, or not for this account") from error
        document: dict[str, Any] = json.loads(answer)
        if "error" in document:
            raise ApiError(verb, document["error"])
        return document

    async def publish(self, subject: str, payload: bytes, headers: Headers) -> Acknowledged:
        """Publishes to a stream, and returns when it has confirmed.

        Raises:
            NoStreamError: no stream takes the subject.
        """
        try:
            answer = json.loads(await self._request(subject, payload, Outgoing(headers)))
        except nats.errors.NoRespondersError as error:
            raise NoStreamError(f"no stream takes {subject} at {self.server}") from error
        except ValueError as error:
            raise NatsError(f"what answered on {subject} is no stream") from error
        if not isinstance(answer, dict) or not ("error" in answer or answer.get("stream")):
            raise NatsError(f"what answered on {subject} is no stream")
        if "error" in answer:
            raise NatsError(f"the stream refused {subject}: {answer['error'].get('description')}")
        return Acknowledged(str(answer["stream"]), int(answer.get("seq", 0)), bool(answer.get("duplicate")))

    async def _request(self, subject: str, payload: bytes, headers: Outgoing | None = None) -> bytes:
        try:
            return (await self.client.request(subject, payload, timeout=REQUEST_LIMIT, headers=headers)).data
        except nats.errors.NoRespondersError:
            raise
        except nats.errors.TimeoutError as error:
            raise NatsError(f"NATS at {self.server} did not answer within {REQUEST_LIMIT:g} s") from error
        except (nats.errors.Error, OSError) as error:
            if not self.client.is_connected:
                raise NatsError(f"the connection to NATS at {self.server} was lost: {said(error)}") from error
            raise NatsError(f"NATS at {self.server}: {said(error)}") from error


def said(error: BaseException) -> str:
    """What an error says, without nats-py's prefix."""
    if isinstance(error, OSError) and (error.errno or 0) > 0:
        return os.strerror(error.errno or 0)  # asyncio's own text repeats the address, its way
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(str(text).removeprefix("nats: ").replace("'", "").split())
