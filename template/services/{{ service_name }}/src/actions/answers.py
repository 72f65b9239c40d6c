"""Answers one request: with the action's result, or with an error in the form that callers know."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import nats.errors
from nats.aio.msg import Msg

from src.actions.action import Action
from src.actions.settings import ActionSettings
from src.actions.stats import ActionStats
from src.domain.events import current
from src.infrastructure.decoding import decoder_for
from src.infrastructure.errors import describe
from src.infrastructure.nats_client import NatsClient, size_of
from src.infrastructure.resources import with_resources
from src.requests.errors import ActionError
from src.requests.replies import INTERNAL, INVALID, TOO_SLOW, encoder_for, error_headers, error_reply, problems_of
from src.requests.request import Context
from src.utils.logging import logger

INTERNAL_MESSAGE = "internal error"
TOO_LARGE = "the answer is too large"


class Answers:
    """Calls one action and sends its replies.

    Args:
        action: the action.
        nats: the connection for the replies.
        settings: how requests are read.
        stats: the action's counts.

    Raises:
        ConfigurationError: a type of the action cannot be read from a request, or written into a reply.
    """

    def __init__(self, action: Action, nats: NatsClient, settings: ActionSettings, stats: ActionStats) -> None:
        self._action = action
        self._function = with_resources(action.function)
        self._nats = nats
        self._stats = stats
        unknown_fields = None if settings.ACTION_UNKNOWN_FIELDS == "model" else settings.ACTION_UNKNOWN_FIELDS
        takes_nothing = action.request_type is None
        self._decode = None if takes_nothing else decoder_for(action.request_type, action.where, unknown_fields)
        self._encode = encoder_for(action.response_type, action.where)

    async def answer(self, raw: Msg, why_cancelled: Callable[[], str]) -> None:
        """Answer a request. Run this in a task of its own.

        Args:
            raw: the request.
            why_cancelled: returns why the task was cancelled, for the caller; empty if it was not.
        """
        started = time.perf_counter()
        context = Context(raw, self._action.name)
        current.set(context)
        try:
            self._reply(raw, self._encode(await self._function(*self._arguments(context))))
        except ActionError as error:
            self.fail(raw, error.code, error.message, error.details)
        except (Exception, asyncio.CancelledError) as error:
            if reason := why_cancelled():  # whatever the action raised because of that
                self.fail(raw, TOO_SLOW, reason)
            else:
                logger.error("action failed", error=describe(error), exc_info=error)
                self.fail(raw, INTERNAL, INTERNAL_MESSAGE)
        finally:
            self._stats.took(time.perf_counter() - started)
        if self._nats.crowded:  # wait, so that answers do not pile up
            with suppress(asyncio.CancelledError):
                await self._nats.flushed(self._action.timeout)

    def _arguments(self, context: Context) -> list[Any]:
        given = [context] if self._action.takes_context else []
        if self._decode is None:
            return given
        try:
            return [self._decode(context.message.data), *given]
        except ValueError as error:
            raise ActionError(INVALID, "the request does not fit", problems_of(error)) from error

    def fail(self, raw: Msg, code: str, message: str, details: Any = None) -> None:
        """Answer with an error, and count it."""
        try:
            payload = error_reply(code, message, details)
        except ValueError as error:
            logger.error("an error cannot be written into a reply", action=self._action.name, error=describe(error))
            code, message = INTERNAL, INTERNAL_MESSAGE
            payload = error_reply(code, message)
        self._stats.failed(code, message)
        logger.info("request refused", action=self._action.name, code=code, error=message)
        headers = error_headers(code, message)
        if correlation_id := (raw.headers or {}).get("Correlation-Id"):
            headers["Correlation-Id"] = correlation_id
        self._reply(raw, payload, headers)

    def _reply(self, raw: Msg, payload: bytes, headers: dict[str, str] | None = None) -> None:
        if not raw.reply:
            return  # published; nobody waits for an answer
        size = size_of(payload, headers or {})
        if size > self._nats.client.max_payload > 0:  # the server would close the connection
            logger.error("the answer is larger than the server accepts", action=self._action.name, bytes=size)
            if headers is None:
                self._stats.failed(INTERNAL, TOO_LARGE)
            payload, headers = error_reply(INTERNAL, TOO_LARGE), error_headers(INTERNAL, TOO_LARGE)
        try:
            self._nats.answer(raw.reply, payload, headers)
        except nats.errors.Error as error:
            logger.warning("an answer could not be sent", action=self._action.name, error=describe(error))
