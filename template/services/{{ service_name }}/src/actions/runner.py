"""Runs one action: a limited number of requests run, others wait, and none takes longer than its timeout."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import Any

from nats.aio.msg import Msg
from nats.micro.service import DEFAULT_QUEUE_GROUP

from src.actions.action import Action, action_subject
from src.actions.settings import ActionSettings, settings
from src.actions.stats import IN_FLIGHT, WAITING, ActionStats
from src.domain.events import current
from src.infrastructure.decoding import decoder_for
from src.infrastructure.errors import describe, is_cancelled
from src.infrastructure.nats_client import NatsClient, size_of, until
from src.infrastructure.resources import with_resources
from src.requests import replies
from src.requests.errors import ActionError
from src.requests.request import Context
from src.requests.subscriptions import CoreSubscription
from src.utils.logging import logger

MAX_BYTES = 16 * 1024 * 1024  # of requests that wait for one action, in addition to its `max_waiting`
STOPPING = "the service is stopping"
CUT_SHORT = "the service stopped before it was done"
CANCEL_LIMIT = 1.0  # seconds that a cancelled action has to clean up
TOO_LARGE = "the answer is too large"
CROWDED = 1024 * 1024  # bytes that wait to be sent, above which answers wait too


class ActionRunner:
    """Receives the requests of one action and answers each in a task.

    Args:
        action: the action.
        nats: the service's connection.
        own: the settings of actions.

    Raises:
        ConfigurationError: a type of the action cannot be decoded from a request or encoded into a reply.
    """

    def __init__(self, action: Action, nats: NatsClient, own: ActionSettings = settings) -> None:
        self.action = action
        self.subject = action.subject or action_subject(
            nats.service, action.name, action.version, prefix=own.ACTION_PREFIX
        )
        self.subscription = CoreSubscription(
            nats, self.subject, self.receive, DEFAULT_QUEUE_GROUP if action.queue else ""
        )
        self.counts = ActionStats(action.name, action.version)
        self._nats = nats
        takes_nothing = action.request_type is None
        self._decode = None if takes_nothing else decoder_for(action.request_type, action.where)
        self._encode = replies.encoder_for(action.response_type, action.where)
        self._function = with_resources(action.function)
        self._observed = nats.observed(self._answer, kind="server", destination=self.subject)
        self._waiting: deque[tuple[Msg, float]] = deque()  # with the deadline, by the loop's time
        self._waiting_bytes = 0
        self._running: dict[asyncio.Task[None], Msg] = {}
        self._overloaded = False
        self._stopping = False
        IN_FLIGHT.labels(*self.counts.labels).set_function(lambda: self.running)
        WAITING.labels(*self.counts.labels).set_function(lambda: self.waiting)

    @property
    def running(self) -> int:
        """Return the number of requests being answered."""
        return len(self._running)

    @property
    def waiting(self) -> int:
        """Return the number of requests that have not started."""
        return len(self._waiting)

    def stats(self) -> dict[str, Any]:
        """Return the counts and the options, for `/stats`."""
        action, counts = self.action, self.counts
        return {
            "action": action.name,
            "version": action.version,
            "subject": self.subject,
            "requests": counts.requests,
            "errors": dict(counts.errors),
            "in_flight": self.running,
            "waiting": self.waiting,
            "last_error": counts.last_error,
            "policy": {name: getattr(action, name) for name in ("queue", "concurrency", "max_waiting", "timeout")},
        }

    def receive(self, raw: Msg) -> None:
        """Start, queue or reject a request; returns at once."""
        self.counts.received()
        deadline = asyncio.get_running_loop().time() + self.action.timeout
        if self._stopping:
            self._fail(raw, replies.UNAVAILABLE, STOPPING)
        elif self.running < self.action.concurrency:
            self._start(raw, deadline)
        elif self.waiting < self.action.max_waiting and self._waiting_bytes + len(raw.data) <= MAX_BYTES:
            self._waiting.append((raw, deadline))
            self._waiting_bytes += len(raw.data)
        else:
            if not self._overloaded:  # logged once, not for each request
                logger.warning("rejecting requests: too many wait", action=self.action.name, waiting=self.waiting)
            self._overloaded = True
            self._fail(raw, replies.UNAVAILABLE, "too many requests wait")

    async def stop(self, limit: float, hurry: asyncio.Future[None] | None = None) -> None:
        """Answer the received requests, within `limit` seconds or until `hurry` is done.

        Then reject requests that have not started (503), and cancel running ones (504).
        """
        self._stopping = True
        await until(lambda: not self._running, time.monotonic() + limit, hurry)
        while self._waiting:
            self._fail(self._waiting.popleft()[0], replies.UNAVAILABLE, STOPPING)
        if self._running:
            logger.warning("actions did not finish in time", action=self.action.name, requests=self.running)
            for task in self._running:
                task.cancel()
            await asyncio.wait(self._running, timeout=CANCEL_LIMIT)
        for raw in self._running.values():  # of actions that do not react to being cancelled
            self._fail(raw, replies.TOO_SLOW, CUT_SHORT)

    def _start(self, raw: Msg, deadline: float) -> None:
        task = asyncio.create_task(self._observed(Context(raw, self.action.name), deadline))
        self._running[task] = raw
        task.add_done_callback(self._ended)

    async def _answer(self, context: Context, deadline: float) -> None:
        """Answer a request in its task."""
        started, limit, raw = time.perf_counter(), asyncio.timeout_at(deadline), context.message
        current.set(context)
        try:
            async with limit:
                if self._nats.client.pending_data_size > CROWDED:  # wait, so that answers do not pile up
                    await self._nats.flushed(self.action.timeout)
                self._reply(raw, self._encode(await self._function(*self._arguments(context))))
        except ActionError as error:
            context.error = error
            self._fail(raw, error.code, error.message, error.details)
        except (Exception, asyncio.CancelledError, SystemExit) as error:
            context.error = error
            if limit.expired():  # whatever the action then raised
                self._fail(raw, replies.TOO_SLOW, f"not done within {self.action.timeout:g} s")
            elif self._stopping and is_cancelled():
                self._fail(raw, replies.TOO_SLOW, CUT_SHORT)
            else:
                logger.error("action failed", error=describe(error), exc_info=error)
                self._fail(raw, replies.INTERNAL, replies.INTERNAL_MESSAGE)
        finally:
            self.counts.took(time.perf_counter() - started)

    def _arguments(self, context: Context) -> list[Any]:
        given = [context] if self.action.takes_context else []
        if self._decode is None:
            return given
        try:
            return [self._decode(context.message.data), *given]
        except ValueError as error:
            raise ActionError(replies.INVALID, "the request is invalid", replies.problems_of(error)) from error

    def _fail(self, raw: Msg, code: str, message: str, details: Any = None) -> None:
        """Answer a request with an error, and count it."""
        try:
            payload = replies.error_reply(code, message, details)
        except ValueError as error:
            logger.error("the details of an error are not JSON data", action=self.action.name, error=describe(error))
            code, message = replies.INTERNAL, replies.INTERNAL_MESSAGE
            payload = replies.error_reply(code, message)
        self.counts.failed(code, message)
        logger.info("request refused", action=self.action.name, code=code, error=message)
        headers = replies.error_headers(code, message)
        if correlation_id := (raw.headers or {}).get("Correlation-Id"):
            headers["Correlation-Id"] = correlation_id
        self._reply(raw, payload, headers)

    def _reply(self, raw: Msg, payload: bytes, headers: dict[str, str] | None = None) -> None:
        """Answer a request; with `headers` it is an error."""
        if not raw.reply:
            return  # published: nobody waits for an answer
        size = size_of(payload, headers or {})
        if size > self._nats.client.max_payload > 0:  # the server would close the connection
            logger.error("the answer is larger than the server accepts", action=self.action.name, bytes=size)
            if headers is None:
                self.counts.failed(replies.INTERNAL, TOO_LARGE)
            payload = replies.error_reply(replies.INTERNAL, TOO_LARGE)
            headers = replies.error_headers(replies.INTERNAL, TOO_LARGE)
        self._nats.answer(raw.reply, payload, headers)

    def _ended(self, task: asyncio.Task[None]) -> None:
        raw = self._running.pop(task)
        if task.cancelled():  # before it had started
            self._fail(raw, replies.UNAVAILABLE, STOPPING)
        elif error := task.exception():
            logger.error("a request was not answered", action=self.action.name, exc_info=error)
        self._start_next()

    def _start_next(self) -> None:
        while self._waiting:
            raw, deadline = self._waiting.popleft()
            self._waiting_bytes -= len(raw.data)
            if deadline > asyncio.get_running_loop().time():
                self._start(raw, deadline)
                return
            self._fail(raw, replies.TOO_SLOW, f"not started within {self.action.timeout:g} s")
        self._overloaded = False
