"""The handler that the rows run: what a person would write into the generated service, and what it needs to be told."""

from __future__ import annotations

from dataclasses import dataclass

SUBJECT = "orders.order.created"
STREAM = "ORDERS"
EFFECTS = "EFFECTS"
EFFECTS_SUBJECT = "effects.made"
HANDLER = "order_created"
DURABLE = f"billing-{HANDLER}"
RECORD_VARIABLE = "CHAOS_RECORD"
"""The environment variable that names the file of records."""

TASKS = "chaos_tasks"
"""The metric that counts asyncio's tasks in the worker."""

MAX_PAYLOAD = 65_536
"""Bytes of headers and payload that the server takes; its default is 1 MiB, and the same holds at any limit."""

FLAKY_PERCENT = 20
"""How many of a flaky event's attempts fail."""

LINE = "what the handler logs:"
"""How the message begins that it logs, if it does."""

DEFAULT_BACKOFF = (1.0, 60.0)
"""What a subscription has that says nothing."""


@dataclass(frozen=True)
class Options:
    """How the handler subscribes and how long it works; times in seconds.

    `ack_wait` and `backoff` (first and longest delay) are far below their defaults, so that what a lost connection took
    along, and what failed, comes again soon. With `early`, it acknowledges before it works, as no handler should.
    `logged` is how long the line is that it logs, in characters.
    """

    concurrency: int = 10
    ack_wait: float = 4.0
    max_attempts: int = 5
    backoff: tuple[float, float] = (0.1, 1.0)
    work: float = 0.0
    slow: float = 0.0
    early: bool = False
    logged: int = 0

    def source(self) -> str:
        """The handler file."""
        return SOURCE.format(
            subject=SUBJECT,
            effects=EFFECTS_SUBJECT,
            variable=RECORD_VARIABLE,
            tasks=TASKS,
            percent=FLAKY_PERCENT,
            concurrency=self.concurrency,
            ack_wait=self.ack_wait,
            max_attempts=self.max_attempts,
            initial=self.backoff[0],
            maximum=self.backoff[1],
            work=self.work,
            slow=self.slow,
            too_large=MAX_PAYLOAD + 1,
            early=self.early,
            logged=self.logged,
            line=LINE,
        )


SOURCE = '''\
"""Does what the event says, and leaves two traces of it: an event of its own and a line in a file."""

import asyncio
import os
import signal
import time
import zlib

from prometheus_client import Gauge
from pydantic import BaseModel

from src.config import settings
from src.domain.events import Event
from src.infrastructure.errors import Reject, TooLarge
from src.infrastructure.subscription import Backoff, Message, subscriber
from src.utils.logging import logger

RECORDS = os.open(os.environ["{variable}"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
Gauge("{tasks}", "Tasks of the event loop").set_function(lambda: len(asyncio.all_tasks()))


class OrderCreated(BaseModel):
    do: str
    sequence: int


def record(what: str, event: Event[OrderCreated]) -> None:
    words = (what, event.id, event.aggregate_id, event.data.sequence, settings.HOSTNAME, time.monotonic())
    os.write(RECORDS, (" ".join(map(str, words)) + "\\n").encode())


@subscriber(
    "{subject}",
    concurrency={concurrency},
    ack_wait={ack_wait},
    max_attempts={max_attempts},
    backoff=Backoff(initial={initial}, maximum={maximum}),
)
async def handle_order_created(event: Event[OrderCreated], message: Message) -> None:
    if {early}:
        await message.ack()
    match event.data.do:
        case "reject":
            raise Reject("the event asks for it")
        case "exit" | "kill":
            record("started", event)
            os._exit(7) if event.data.do == "exit" else os.kill(os.getpid(), signal.SIGKILL)
        case "flaky" if zlib.crc32(f"{{event.id}}:{{message.attempt}}".encode()) % 100 < {percent}:
            raise RuntimeError("the event is flaky")
        case "oversize":
            try:
                await message.publish("{effects}", b"x" * {too_large})
            except TooLarge:
                record("refused", event)
        case "slow":
            await asyncio.sleep({slow})
    if {work}:
        await asyncio.sleep({work} / 2)
    await message.publish("{effects}", {{"event": event.id}})
    if {work}:  # killed in here, it publishes once more
        await asyncio.sleep({work} / 2)
    if {logged}:
        logger.info("{line} " + "x" * {logged})
    record("handled", event)
'''
