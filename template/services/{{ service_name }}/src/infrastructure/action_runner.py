"""Answers the requests of one action: so many at once, the next ones waiting, and none beyond its time."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable
from contextlib import suppress
from contextvars import copy_context
from typing import Any

import nats.errors
from nats.aio.msg import Msg

from src.config import Settings
from src.infrastructure.action import Action
from src.infrastructure.context import current_request
from src.infrastructure.deadlines import Deadlines
from src.infrastructure.decoding import decoder_for
from src.infrastructure.errors import ActionError, named
from src.infrastructure.nats_client import NatsClient
from src.infrastructure.publication import size_of
from src.infrastructure.replies import (
    INTERNAL,
    INVALID,
    TOO_SLOW,
    UNAVAILABLE,
    encoder_for,
    error_headers,
    error_reply,
    what_does_not_fit,
)
from src.infrastructure.request import Context
from src.infrastructure.stats import ActionStats
from src.utils.logging import logger

MOST_BYTES = 64 * 1024 * 1024  # of requests that wait for one action, however many its `max_waiting` allows
STOPPING = "the service is stopping"
INTERNAL_MESSAGE = "internal error"
TOO_LARGE = "the answer is too large"
YIELD_AFTER = 0.005  # seconds that quick actions may keep everything else waiting
CANCEL_LIMIT = 1.0  # seconds that a cancelled action has to clean up


class ActionRunner:
    """One action at work: a task for each request that is being answered.

    Args:
        action: what answers.
        nats: the connection that the answers leave by.
        settings: the service's settings.

    Raises:
        ConfigurationError: its annotations cannot be read from a request, or written into a reply.
    """

    def __init__(self, action: Action, nats: NatsClient, settings: Settings) -> None:
        self.action = action
        self.subject = action.subject_for(settings.SERVICE_NAME, settings.ACTION_PREFIX)
        self.stats = ActionStats()
        self._nats = nats
        unknown_fields = None if settings.ACTION_UNKNOWN_FIELDS == "model" else settings.ACTION_UNKNOWN_FIELDS
        self._decode = (
            None if action.request_type is None else decoder_for(action.request_type, action.where, unknown_fields)
        )
        self._encode = encoder_for(action.response_type, action.where)
        self._running: dict[asyncio.Task[None], Msg] = {}
        self._deadlines = Deadlines()
        self._waiting: deque[tuple[Msg, float]] = deque()  # with the loop's time by which it is too late
        self._waiting_bytes = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._overloaded = False
        self._stopping = False
        self._cutting = False

    @property
    def name(self) -> str:
        """The action's name."""
        return self.action.name

    @property
    def in_flight(self) -> int:
        """Requests being answered."""
        return len(self._running)

    @property
    def waiting(self) -> int:
        """Requests received and not started."""
        return len(self._waiting)

    def summary(self) -> dict[str, Any]:
        """The counts and the policy, for `/stats`."""
        action, stats = self.action, self.stats
        return {
            "action": action.name,
            "version": action.version,
            "subject": self.subject,
            "requests": stats.requests,
            "errors": dict(stats.errors),
            "in_flight": self.in_flight,
            "waiting": self.waiting,
            "last_error": stats.last_error,
            "policy": {
                "queue": action.queue,
                "concurrency": action.concurrency,
                "max_waiting": action.max_waiting,
                "timeout": action.timeout,
            },
        }

    def receive(self, raw: Msg) -> None:
        """Takes a request; returns at once."""
        self.stats.requests += 1
        deadline = asyncio.get_running_loop().time() + self.action.timeout
        if self._stopping:
            self._refuse(raw, STOPPING)
        elif len(self._running) < self.action.concurrency:
            self._start(raw, deadline)
        elif len(self._waiting) < self.action.max_waiting and self._waiting_bytes + len(raw.data) <= MOST_BYTES:
            self._waiting.append((raw, deadline))
            self._waiting_bytes += len(raw.data)
        else:
            if not self._overloaded:  # once, not for each
                logger.warning("refusing requests: too many wait", action=self.name, waiting=len(self._waiting))
            self._overloaded = True
            self._refuse(raw, "too many requests wait")

    async def finish(self, limit: float, hurry: asyncio.Future[None] | None = None) -> None:
        """Answers what has been received, within `limit` seconds or until `hurry` is done.

        What has not begun by then is refused (503), and what is not done is cut short (504). Nothing is received any
        more when this is called, or it is refused.
        """
        self._stopping = True
        idle = asyncio.create_task(self._idle.wait())
        events: list[asyncio.Future[Any]] = [idle, hurry] if hurry else [idle]
        await asyncio.wait(events, timeout=max(limit, 0), return_when=asyncio.FIRST_COMPLETED)
        idle.cancel()
        for raw, _ in self._waiting:
            self._refuse(raw, STOPPING)
        self._waiting.clear()
        if not self._running:
            return
        logger.warning("actions did not finish in time", action=self.name, requests=len(self._running))
        self._cutting = True
        for task in self._running:
            task.cancel()
        await asyncio.wait(self._running, timeout=CANCEL_LIMIT)
        for raw in self._running.values():  # of actions that do not react to being cancelled
            self._cut_short(raw)

    def _start(self, raw: Msg, deadline: float) -> None:
        self._idle.clear()
        task = asyncio.get_running_loop().create_task(self._work(raw))
        self._running[task] = raw
        self._deadlines.add(task, deadline)
        task.add_done_callback(self._ended)

    async def _work(self, raw: Msg) -> None:
        """Answers a request, and then those that wait, until one leaves something behind in the task's context."""
        untouched = copy_context()
        pause_due = time.monotonic() + YIELD_AFTER
        await self._answer(raw)
        while self._waiting and (task := asyncio.current_task()):
            if self._deadlines.discard(task) or self._cutting or copy_context() != untouched:
                return
            if not (request := self._next()):
                return
            raw, deadline = request
            self._running[task] = raw
            self._deadlines.add(task, deadline)
            if time.monotonic() > pause_due:
                await asyncio.sleep(0)
                pause_due = time.monotonic() + YIELD_AFTER
            await self._answer(raw)

    def _next(self) -> tuple[Msg, float] | None:
        """The first of the requests that wait, with the loop's time by which it is too late."""
        now = asyncio.get_running_loop().time()
        while self._waiting:
            raw, deadline = self._waiting.popleft()
            self._waiting_bytes -= len(raw.data)
            if deadline > now:
                return raw, deadline
            self._not_begun(raw)
        self._overloaded = False
        return None

    def _ended(self, task: asyncio.Task[None]) -> None:
        raw = self._running.pop(task)
        late = self._deadlines.discard(task)
        if task.cancelled():  # before it had begun with that one
            if late:
                self._not_begun(raw)
            else:
                self._refuse(raw, STOPPING)
        elif error := task.exception():
            logger.error("a request was not answered", action=self.name, exc_info=error)
        if request := self._next():
            self._start(*request)
        elif not self._running:
            self._idle.set()

    async def _answer(self, raw: Msg) -> None:
        started = time.perf_counter()
        context = Context(raw, self.name)
        handled = current_request.set(context)
        try:
            payload = self._encode(await self._call(context))
            self._reply(raw, payload)
        except InvalidRequest as error:
            self._fail(raw, INVALID, "the request does not fit", what_does_not_fit(error.reason))
        except ActionError as error:
            self._fail(raw, error.code, error.message, error.details)
        except (Exception, asyncio.CancelledError) as error:
            if self._deadlines.is_late(asyncio.current_task()):  # whatever the action made of that
                self._fail(raw, TOO_SLOW, f"not done within {self.action.timeout:g} s")
            elif self._cutting:
                self._cut_short(raw)
            else:
                self._broken(raw, error)
        finally:
            self.stats.durations.add(time.perf_counter() - started)
            current_request.reset(handled)
        if self._nats.crowded:
            with suppress(asyncio.CancelledError):
                await self._nats.flushed(self.action.timeout)  # so that answers do not pile up

    def _call(self, context: Context) -> Awaitable[Any]:
        """The function's coroutine.

        Raises:
            InvalidRequest: the payload is not what it takes.
        """
        call, given = self.action.function, (context,) if self.action.takes_context else ()
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
        self._fail(raw, INTERNAL, INTERNAL_MESSAGE)

    def _not_begun(self, raw: Msg) -> None:
        self._fail(raw, TOO_SLOW, f"not begun within {self.action.timeout:g} s")

    def _cut_short(self, raw: Msg) -> None:
        self._fail(raw, TOO_SLOW, "the service stopped before it was done")

    def _refuse(self, raw: Msg, why: str) -> None:
        """Says that nothing was carried out."""
        self._fail(raw, UNAVAILABLE, why)

    def _fail(self, raw: Msg, code: str, message: str, details: Any = None) -> None:
        try:
            payload = error_reply(code, message, details)
        except ValueError as error:
            logger.error("an error cannot be written into a reply", action=self.name, error=named(error))
            code, message = INTERNAL, INTERNAL_MESSAGE
            payload = error_reply(code, message)
        self.stats.failed(code, message)
        if code not in (INTERNAL, UNAVAILABLE):
            logger.info("request refused", action=self.name, code=code, error=message)
        headers = error_headers(code, message)
        if correlation_id := (raw.headers or {}).get("Correlation-Id"):
            headers["Correlation-Id"] = correlation_id
        self._reply(raw, payload, headers)

    def _reply(self, raw: Msg, payload: bytes, headers: dict[str, str] | None = None) -> None:
        if not raw.reply:
            return  # published, and nobody waits for an answer
        size = size_of(payload, headers) if headers else len(payload)
        if size > self._nats.client.max_payload > 0:  # the server would end the connection
            logger.error("the answer is larger than the server takes", action=self.name, bytes=size)
            if headers is None:
                self.stats.failed(INTERNAL, TOO_LARGE)
            payload, headers = error_reply(INTERNAL, TOO_LARGE), error_headers(INTERNAL, TOO_LARGE)
        try:
            self._nats.answer(raw.reply, payload, headers)
        except nats.errors.Error as error:
            logger.warning("an answer could not be sent", action=self.name, error=named(error))


class InvalidRequest(Exception):
    """A payload is not what the action takes."""

    def __init__(self, reason: ValueError) -> None:
        super().__init__(str(reason))
        self.reason = reason
