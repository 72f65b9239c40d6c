"""Answers one request of an action: with what it returns, or with its error in the form that callers know."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import nats.errors
from nats.aio.msg import Msg

from src.config import Settings
from src.infrastructure.errors import ActionError, named
from src.infrastructure.handling.context import current_request
from src.infrastructure.handling.decoding import decoder_for
from src.infrastructure.handling.publication import size_of
from src.infrastructure.nats_client import NatsClient
from src.infrastructure.watching.stats import ActionStats
from src.actions.action import Action
from src.requests.replies import (
    INTERNAL,
    INVALID,
    TOO_SLOW,
    UNAVAILABLE,
    encoder_for,
    error_headers,
    error_reply,
    what_does_not_fit,
)
from src.requests.request import Context
from src.utils.logging import logger

INTERNAL_MESSAGE = "internal error"
TOO_LARGE = "the answer is too large"


class Answers:
    """What leaves for the callers of one action.

    Args:
        action: what answers.
        nats: the connection that the answers leave by.
        settings: the service's settings.

    Attributes:
        stats: the counts.

    Raises:
        ConfigurationError: the action's annotations cannot be read from a request, or written into a reply.
    """

    def __init__(self, action: Action, nats: NatsClient, settings: Settings) -> None:
        self.stats = ActionStats()
        self._action = action
        self._nats = nats
        unknown_fields = None if settings.ACTION_UNKNOWN_FIELDS == "model" else settings.ACTION_UNKNOWN_FIELDS
        self._decode = (
            None if action.request_type is None else decoder_for(action.request_type, action.where, unknown_fields)
        )
        self._encode = encoder_for(action.response_type, action.where)

    async def answer(self, raw: Msg, interrupted: Callable[[], str]) -> None:
        """Has the action answer.

        Args:
            raw: the request.
            interrupted: says why the action was cancelled, for its caller; empty where it was not.
        """
        started = time.perf_counter()
        context = Context(raw, self._action.name)
        handled = current_request.set(context)
        try:
            payload = self._encode(await self._call(context))
            self._reply(raw, payload)
        except InvalidRequest as error:
            self.fail(raw, INVALID, "the request does not fit", what_does_not_fit(error.reason))
        except ActionError as error:
            self.fail(raw, error.code, error.message, error.details)
        except (Exception, asyncio.CancelledError) as error:
            if why := interrupted():  # whatever the action made of that
                self.fail(raw, TOO_SLOW, why)
            else:
                self._broken(raw, error)
        finally:
            self.stats.durations.add(time.perf_counter() - started)
            current_request.reset(handled)
        if self._nats.crowded:
            with suppress(asyncio.CancelledError):
                await self._nats.flushed(self._action.timeout)  # so that answers do not pile up

    def fail(self, raw: Msg, code: str, message: str, details: Any = None) -> None:
        """Answers with an error, and counts it."""
        try:
            payload = error_reply(code, message, details)
        except ValueError as error:
            logger.error("an error cannot be written into a reply", action=self._action.name, error=named(error))
            code, message = INTERNAL, INTERNAL_MESSAGE
            payload = error_reply(code, message)
        self.stats.failed(code, message)
        if code not in (INTERNAL, UNAVAILABLE):
            logger.info("request refused", action=self._action.name, code=code, error=message)
        headers = error_headers(code, message)
        if correlation_id := (raw.headers or {}).get("Correlation-Id"):
            headers["Correlation-Id"] = correlation_id
        self._reply(raw, payload, headers)

    def _call(self, context: Context) -> Awaitable[Any]:
        """The function's coroutine.

        Raises:
            InvalidRequest: the payload is not what it takes.
        """
        call, given = self._action.function, (context,) if self._action.takes_context else ()
        if self._decode is None:
            return call(*given)
        try:
            request = self._decode(context.message.data)
        except ValueError as error:
            raise InvalidRequest(error) from error
        return call(request, *given)

    def _broken(self, raw: Msg, error: BaseException) -> None:
        """The action failed by its own fault, of which its caller is told nothing more."""
        logger.error("action failed", error=named(error), exc_info=error)
        self.fail(raw, INTERNAL, INTERNAL_MESSAGE)

    def _reply(self, raw: Msg, payload: bytes, headers: dict[str, str] | None = None) -> None:
        if not raw.reply:
            return  # published, and nobody waits for an answer
        size = size_of(payload, headers) if headers else len(payload)
        if size > self._nats.client.max_payload > 0:  # the server would end the connection
            logger.error("the answer is larger than the server takes", action=self._action.name, bytes=size)
            if headers is None:
                self.stats.failed(INTERNAL, TOO_LARGE)
            payload, headers = error_reply(INTERNAL, TOO_LARGE), error_headers(INTERNAL, TOO_LARGE)
        try:
            self._nats.answer(raw.reply, payload, headers)
        except nats.errors.Error as error:
            logger.warning("an answer could not be sent", action=self._action.name, error=named(error))


class InvalidRequest(Exception):
    """A payload is not what the action takes."""

    def __init__(self, reason: ValueError) -> None:
        super().__init__(str(reason))
        self.reason = reason
