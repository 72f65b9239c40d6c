"""Tasks of natsgen dev end although one cancellation is lost, as with `asyncio.wait_for` of Python 3.11."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from natsgen.dev import tasks
from natsgen.dlq import cancelling


@pytest.fixture(autouse=True)
def _again_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cancelling, "AGAIN_AFTER", 0.05)


async def stubborn() -> None:
    with suppress(asyncio.CancelledError):
        await asyncio.Event().wait()
    await asyncio.Event().wait()


async def test_a_cancelled_task_ends() -> None:
    task = asyncio.create_task(stubborn())
    await asyncio.sleep(0)

    await asyncio.wait_for(tasks.cancelled(task), 5)

    assert task.cancelled()


async def test_work_that_is_no_longer_wanted_ends() -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().call_soon(stop.set)

    assert await asyncio.wait_for(tasks.unless(stop, stubborn()), 5) is None
