"""Runs one action: a limited number of requests at once, the next ones waiting, none longer than its timeout."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any

from nats.aio.msg import Msg
from nats.micro.service import DEFAULT_QUEUE_GROUP

from src.actions.action import Action, action_subject
from src.actions.answers import Answers
from src.actions.settings import ActionSettings, settings
from src.actions.stats import IN_FLIGHT, WAITING, ActionStats
from src.infrastructure.nats_client import NatsClient
from src.requests.replies import TOO_SLOW, UNAVAILABLE
from src.requests.subscriptions import CoreSubscription
from src.utils.logging import logger

MAX_BYTES = 64 * 1024 * 1024  # of requests that wait for one action, in addition to its `max_waiting`
STOPPING = "the service is stopping"
CUT_SHORT = "the service stopped before it was done"
CANCEL_LIMIT = 1.0  # seconds that a cancelled action has to clean up


class ActionRunner:
    """Receives the requests of one action and answers each in a task.

    Args:
        action: the action.
        nats: the service's connection.
        own: the settings of actions.
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
        self._answers = Answers(action, nats, own, self.counts)
        self._running: dict[asyncio.Task[None], tuple[Msg, float]] = {}  # with the deadline, by the loop's time
        self._late: set[asyncio.Task[None]] = set()  # those of them that were cancelled for that
        self._timer: asyncio.TimerHandle | None = None
        self._waiting: deque[tuple[Msg, float]] = deque()  # with the deadline
        self._waiting_bytes = 0
        self._idle = asyncio.Event()
        self._overloaded = False
        self._stopping = False
        self._cutting = False
        IN_FLIGHT.labels(*self.counts.labels).set_function(lambda: self.running)
        WAITING.labels(*self.counts.labels).set_function(lambda: self.waiting)

    @property
    def running(self) -> int:
        """Return the number of requests being answered."""
        return len(self._running)

    @property
    def waiting(self) -> int:
        """Return the number of requests received and not started."""
        return len(self._waiting)

    def stats(self) -> dict[str, Any]:
        """Return the counts and the options, for `/stats`."""
        action, counts = self.action, self.counts
        policy = {name: getattr(action, name) for name in ("queue", "concurrency", "max_waiting", "timeout")}
        return {
            "action": action.name,
            "version": action.version,
            "subject": self.subject,
            "requests": counts.requests,
            "errors": dict(counts.errors),
            "in_flight": self.running,
            "waiting": self.waiting,
            "last_error": counts.last_error,
            "policy": policy,
        }

    def receive(self, raw: Msg) -> None:
        """Take a request; returns at once."""
        self.counts.received()
        deadline = asyncio.get_running_loop().time() + self.action.timeout
        if self._stopping:
            self._answers.fail(raw, UNAVAILABLE, STOPPING)
        elif len(self._running) < self.action.concurrency:
            self._start(raw, deadline)
        elif len(self._waiting) < self.action.max_waiting and self._waiting_bytes + len(raw.data) <= MAX_BYTES:
            self._waiting.append((raw, deadline))
            self._waiting_bytes += len(raw.data)
        else:
            if not self._overloaded:  # logged once, not for each request
                logger.warning("refusing requests: too many wait", action=self.action.name, waiting=self.waiting)
            self._overloaded = True
            self._answers.fail(raw, UNAVAILABLE, "too many requests wait")

    async def stop(self, limit: float, hurry: asyncio.Future[None] | None = None) -> None:
        """Answer what has been received, within `limit` seconds or until `hurry` is done.

        Requests that have not started by then are refused (503), and running ones are cut short (504).
        """
        self._stopping = True
        if self._running:
            idle = asyncio.ensure_future(self._idle.wait())
            events: list[asyncio.Future[Any]] = [idle, hurry] if hurry else [idle]
            await asyncio.wait(events, timeout=max(limit, 0), return_when=asyncio.FIRST_COMPLETED)
            idle.cancel()
        while self._waiting:
            self._answers.fail(self._waiting.popleft()[0], UNAVAILABLE, STOPPING)
        if not self._running:
            return
        logger.warning("actions did not finish in time", action=self.action.name, requests=self.running)
        self._cutting = True
        for task in self._running:
            task.cancel()
        await asyncio.wait(self._running, timeout=CANCEL_LIMIT)
        for raw, _ in self._running.values():  # of actions that do not react to being cancelled
            self._answers.fail(raw, TOO_SLOW, CUT_SHORT)

    def _start(self, raw: Msg, deadline: float) -> None:
        self._idle.clear()
        task = asyncio.create_task(self._answers.answer(raw, self._why_cancelled))
        self._running[task] = (raw, deadline)
        task.add_done_callback(self._ended)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_at(deadline, self._cancel_late)

    def _cancel_late(self) -> None:
        """Cancel what has had its time. The first deadline is that of the first request: one timer serves all."""
        self._timer, loop = None, asyncio.get_running_loop()
        for task, (_, deadline) in self._running.items():
            if deadline > loop.time():
                self._timer = loop.call_at(deadline, self._cancel_late)
                return
            if task not in self._late:
                self._late.add(task)
                task.cancel()

    def _why_cancelled(self) -> str:
        if asyncio.current_task() in self._late:
            return f"not done within {self.action.timeout:g} s"
        return CUT_SHORT if self._cutting else ""

    def _ended(self, task: asyncio.Task[None]) -> None:
        raw, _ = self._running.pop(task)
        self._late.discard(task)
        if task.cancelled():  # before it had started
            self._answers.fail(raw, UNAVAILABLE, STOPPING)
        elif error := task.exception():
            logger.error("a request was not answered", action=self.action.name, exc_info=error)
        self._start_next()
        if not self._running:
            self._idle.set()

    def _start_next(self) -> None:
        while self._waiting:
            raw, deadline = self._waiting.popleft()
            self._waiting_bytes -= len(raw.data)
            if deadline > asyncio.get_running_loop().time():
                self._start(raw, deadline)
                return
            self._answers.fail(raw, TOO_SLOW, f"not begun within {self.action.timeout:g} s")
        self._overloaded = False
