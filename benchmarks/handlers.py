"""The files of the handlers that the measured worker gets: `{subject}`, `{options}` and `{number}` are filled in."""

from __future__ import annotations

RECORD = "BENCH_RECORD"
"""The environment variable that names the file in which `RECORDING` notes each message."""

_COMMON = """\
from pydantic import BaseModel

from src.domain.events import Event
from src.infrastructure.subscription import subscriber
from src.utils.logging import logger


class Data(BaseModel):
    number: int
    text: str


@subscriber("{subject}"{options})
async def handle_event{number}(event: Event[Data]) -> None:"""

EMPTY = f'''\
"""Takes events of one subject, and does nothing with them."""

{_COMMON}
    """Nothing."""
'''

RECORDING = f'''\
"""Takes events of one subject, and notes when each came."""

import os
import time

{_COMMON}
    os.write(RECORD, f"{{{{event.data.text}}}} {{{{time.monotonic_ns()}}}}\\n".encode())


RECORD = os.open(os.environ["{RECORD}"], os.O_WRONLY | os.O_APPEND)
'''

LOGGING = f'''\
"""Takes events of one subject, and logs each."""

{_COMMON}
    logger.info("handled", number=event.data.number)
'''

SLOW = f'''\
"""Takes events of one subject, and takes its time."""

import asyncio

{_COMMON}
    await asyncio.sleep(0.01)
'''

PUBLISHING = f'''\
"""Takes events of one subject, and publishes one for each."""

from src.infrastructure.publishing import publish

{_COMMON.replace("{options}", ', publishes=["publishes.done"]{options}')}
    await publish("publishes.done", {{{{"number": event.data.number}}}})
'''

JOB = '''\
"""Takes events of one subject, logs each, and publishes one for it."""

from pydantic import BaseModel

from src.domain.events import Event
from src.infrastructure.publishing import publish
from src.infrastructure.subscription import subscriber
from src.utils.logging import logger


class Data(BaseModel):
    number: int
    text: str


@subscriber("{subject}"{options})
async def handle_event{number}(event: Event[Data]) -> None:
    logger.info("handled", number=event.data.number)
    await publish("done.item", event.data)
'''
