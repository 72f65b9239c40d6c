"""Notices that something keeps the event loop, while it does: nothing else runs then, and no message is kept alive."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from types import FrameType
from typing import Any

from src.infrastructure.errors import named
from src.infrastructure.handling.context import Incoming, current_message
from src.infrastructure.message import Message
from src.utils.logging import logger


@dataclass(frozen=True, slots=True)
class Blockage:
    """One time that the loop stood still.

    Attributes:
        handler: whose code did it, a handler's or an action's; None where it was neither's.
        seconds: how long, as far as known.
        at: when it was over.
    """

    handler: str | None
    seconds: float
    at: str


class LoopWatch:
    """A thread that asks the event loop for a sign of life, and reports where it does not get one.

    It costs two wake-ups a `TICK`, and nothing for a message.

    Attributes:
        times: how often the loop has stood still for longer than `LIMIT`.
        seconds: how long, all times together.
        longest: the longest of them, in seconds.
        last: the latest one that is over; None before.
    """

    LIMIT = 1.0  # seconds that the loop may take for one turn
    TICK = 0.25  # seconds between questions, and so how exactly the time is known
    REPEAT = 10.0  # seconds between reports of one and the same blockage
    FRAMES = 25  # innermost frames of the stack that are reported

    def __init__(self) -> None:
        self.times = 0
        self.seconds = 0.0
        self.longest = 0.0
        self.last: Blockage | None = None
        self._stopped = threading.Event()

    def start(self) -> None:
        """Watches the running loop, whose thread is this one, until `stop` is called or the process ends."""
        watched = (asyncio.get_running_loop(), threading.get_ident())
        threading.Thread(target=self._watch, args=watched, name="loop-watch", daemon=True).start()

    def stop(self) -> None:
        """Watches no longer."""
        self._stopped.set()

    def stats(self) -> dict[str, Any]:
        """The counts, for `/stats`."""
        return {
            "blocked": self.times,
            "seconds": round(self.seconds, 3),
            "longest": round(self.longest, 3),
            "last": asdict(self.last) if self.last else None,
        }

    def _watch(self, loop: asyncio.AbstractEventLoop, thread: int) -> None:
        clock = _Clock(self.TICK)
        while not self._stopped.wait(self.TICK):
            turned = threading.Event()
            try:
                loop.call_soon_threadsafe(turned.set)
            except RuntimeError:  # the loop is closed
                return
            try:
                self._wait_for(turned, clock, loop, thread)
            except Exception as error:  # whatever it is, it must not end the watch
                logger.error("the event loop could not be looked at", error=named(error))
            clock.passed()

    def _wait_for(self, turned: threading.Event, clock: _Clock, loop: asyncio.AbstractEventLoop, thread: int) -> None:
        """Returns when the loop has turned; reports where that takes too long."""
        blocked, report_at = (
            clock.passed() - self.TICK,
            self.LIMIT,
        )  # more than nothing where this thread stood still too
        fields: dict[str, Any] | None = None
        while True:
            if blocked >= report_at:
                report_at = blocked + self.REPEAT
                frames = _frames_of(thread)
                now, stack = _message_fields(frames, loop), _stack_of(frames, self.FRAMES)
                fields = now if fields is None else dict(fields.items() & now.items())  # what was true all the time
                logger.warning("the event loop is blocked", seconds=round(blocked, 3), **now, stack=stack)
            if turned.wait(self.TICK) or self._stopped.is_set():
                break
            blocked += clock.passed()
        if fields is not None:
            self._over(blocked, fields)

    def _over(self, seconds: float, fields: dict[str, Any]) -> None:
        logger.warning("the event loop was blocked", seconds=round(seconds, 3), **fields)
        at = datetime.now(UTC).isoformat(timespec="milliseconds")
        self.last = Blockage(fields.get("handler") or fields.get("action"), round(seconds, 3), at)
        self.seconds += seconds
        self.longest = max(self.longest, seconds)
        self.times += 1


class _Clock:
    """Counts the time for which the loop is to blame.

    A process that is stopped, or a machine that sleeps, stops this thread too, and uses no processor. Code that holds
    Python's lock (a regular expression, a C extension) also stops this thread, and uses all of one processor.
    """

    def __init__(self, tick: float) -> None:
        self._tick = tick
        self._at = time.monotonic()
        self._processor = time.process_time()

    def passed(self) -> float:
        """Seconds since the last call, or since the beginning; beyond two ticks only those it computed."""
        at, processor = time.monotonic(), time.process_time()
        passed, computed = at - self._at, processor - self._processor
        self._at, self._processor = at, processor
        return min(passed, max(computed, 2 * self._tick))


def _frames_of(thread: int) -> list[FrameType]:
    """What a thread is doing, the innermost frame first."""
    frames = []
    frame = sys._current_frames().get(thread)
    while frame is not None:
        frames.append(frame)
        frame = frame.f_back
    return frames


def _stack_of(frames: Sequence[FrameType], most: int) -> str:
    """The innermost `most` frames as a traceback shows them: the innermost last."""
    shown = [(frame, frame.f_lineno) for frame in frames[:most]]
    return "".join(traceback.StackSummary.extract(iter(reversed(shown))).format())


def _message_fields(frames: Sequence[FrameType], loop: asyncio.AbstractEventLoop) -> dict[str, Any]:
    """What the log says of the message that is being handled, as on lines that its handler logs; and the task."""
    task = asyncio.current_task(loop)
    fields: dict[str, Any] = {"task": task.get_name() if task else None}
    messages = next(_messages_in(frames), None)
    if messages is None and task is not None and hasattr(task, "get_context"):  # Python 3.12 and later
        message = task.get_context().get(current_message)  # of a task that a handler has started
        messages = [message] if message else None
    if messages is None:
        return fields | _request_fields(frames)
    first = messages[0]
    fields["handler"] = first.handler
    if len(messages) > 1:
        return fields | {"message_ids": tuple(message.id for message in messages)}
    return fields | {
        "subject": first.subject,
        "message_id": first.id,
        "correlation_id": first.correlation_id,
        "attempt": first.attempt,
    }


def _request_fields(frames: Sequence[FrameType]) -> dict[str, Any]:
    """What the log says of the request that is being answered, if one is."""
    for frame in frames:
        for value in list(frame.f_locals.values()):
            if isinstance(value, Incoming):
                return {**value.log_fields(), "correlation_id": value.correlation_id}
    return {}


def _messages_in(frames: Sequence[FrameType]) -> Iterator[Sequence[Message]]:
    """The messages that functions on the stack have, the innermost function first.

    Another thread's context cannot be read, but its local variables can.
    """
    for frame in frames:
        for value in list(frame.f_locals.values()):
            if isinstance(value, Message):
                yield [value]
            elif isinstance(value, list) and value and all(isinstance(one, Message) for one in value):
                yield value
