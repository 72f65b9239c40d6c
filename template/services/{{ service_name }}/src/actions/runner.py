"""Has the requests of one action answered: so many at once, the next ones waiting, and none beyond its time."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from contextvars import copy_context
from typing import Any

from nats.aio.msg import Msg

from src.config import Settings
from src.infrastructure.nats_client import NatsClient
from src.infrastructure.watching.stats import ActionStats
from src.actions.action import Action
from src.actions.answers import Answers
from src.actions.deadlines import Deadlines
from src.requests.replies import TOO_SLOW, UNAVAILABLE
from src.utils.logging import logger

MOST_BYTES = 64 * 1024 * 1024  # of requests that wait for one action, however many its `max_waiting` allows
STOPPING = "the service is stopping"
CUT_SHORT = "the service stopped before it was done"
YIELD_AFTER = 0.005  # seconds that quick actions may keep everything else waiting
CANCEL_LIMIT = 1.0  # seconds that a cancelled action has to clean up


class ActionRunner:
    """One action at work: as many tasks as there are requests being answered.

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
        self._answers = Answers(action, nats, settings)
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
    def stats(self) -> ActionStats:
        """The action's counts."""
        return self._answers.stats

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
        await self._answers.answer(raw, self._interrupted)
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
            await self._answers.answer(raw, self._interrupted)

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

    def _not_begun(self, raw: Msg) -> None:
        self._answers.fail(raw, TOO_SLOW, f"not begun within {self.action.timeout:g} s")

    def _interrupted(self) -> str:
        """Why the request of this task was cancelled; empty where it was not."""
        if self._deadlines.is_late(asyncio.current_task()):
            return f"not done within {self.action.timeout:g} s"
        return CUT_SHORT if self._cutting else ""

    def _cut_short(self, raw: Msg) -> None:
        self._answers.fail(raw, TOO_SLOW, CUT_SHORT)

    def _refuse(self, raw: Msg, why: str) -> None:
        """Says that nothing was carried out."""
        self._answers.fail(raw, UNAVAILABLE, why)
