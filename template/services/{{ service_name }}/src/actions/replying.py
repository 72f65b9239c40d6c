"""Sends the replies of one action: its result, or an error."""

from __future__ import annotations

from typing import Any

import nats.errors
from nats.aio.msg import Msg

from src.actions.stats import ActionStats
from src.infrastructure.errors import describe
from src.infrastructure.nats_client import NatsClient, size_of
from src.requests.replies import INTERNAL, INTERNAL_MESSAGE, error_headers, error_reply
from src.utils.logging import logger

TOO_LARGE = "the answer is too large"


class Replying:
    """Replies over the service's connection, and counts errors.

    Args:
        action: the action's name.
        nats: the connection.
        stats: the action's counts.
    """

    def __init__(self, action: str, nats: NatsClient, stats: ActionStats) -> None:
        self._action = action
        self._nats = nats
        self._stats = stats

    def fail(self, raw: Msg, code: str, message: str, details: Any = None) -> None:
        """Answer a request with an error, and count it."""
        try:
            payload = error_reply(code, message, details)
        except ValueError as error:
            logger.error("the details of an error are not JSON data", action=self._action, error=describe(error))
            code, message = INTERNAL, INTERNAL_MESSAGE
            payload = error_reply(code, message)
        self._stats.failed(code, message)
        logger.info("request refused", action=self._action, code=code, error=message)
        headers = error_headers(code, message)
        if correlation_id := (raw.headers or {}).get("Correlation-Id"):
            headers["Correlation-Id"] = correlation_id
        self.reply(raw, payload, headers)

    def reply(self, raw: Msg, payload: bytes, headers: dict[str, str] | None = None) -> None:
        """Answer a request; with `headers` it is an error."""
        if not raw.reply:
            return  # published: nobody waits for an answer
        size = size_of(payload, headers or {})
        if size > self._nats.client.max_payload > 0:  # the server would close the connection
            logger.error("the answer is larger than the server accepts", action=self._action, bytes=size)
            if headers is None:
                self._stats.failed(INTERNAL, TOO_LARGE)
            payload, headers = error_reply(INTERNAL, TOO_LARGE), error_headers(INTERNAL, TOO_LARGE)
        try:
            self._nats.answer(raw.reply, payload, headers)
        except nats.errors.Error as error:
            logger.warning("the answer could not be sent", action=self._action, error=describe(error))
