"""Something keeps the event loop: it is reported while it lasts, with who and where, and nothing else is reported."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import re
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from nats.aio.msg import Msg

from natsgen.harness.waiting import wait_until
from src.infrastructure.message import Message
from src.infrastructure.watching.loop_watch import LoopWatch
from src.requests.request import Context
from src.utils.logging import configure_logging

Records = Callable[[], list[dict[str, Any]]]


@pytest.fixture
async def watch(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[LoopWatch]:
    """With shorter times than in production."""
    monkeypatch.setattr(LoopWatch, "LIMIT", 0.3)
    monkeypatch.setattr(LoopWatch, "TICK", 0.05)
    watching = LoopWatch()
    watching.start()
    yield watching
    watching.stop()


@pytest.fixture
def records() -> Iterator[Records]:
    """What has been logged so far."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    configure_logging("billing", "INFO", "json")
    output = io.StringIO()
    [handler] = root.handlers
    assert isinstance(handler, logging.StreamHandler)
    handler.setStream(output)
    yield lambda: [json.loads(line) for line in output.getvalue().splitlines()]
    root.handlers[:] = handlers
    root.setLevel(level)


nobody: Any = None  # these messages are not answered


def message(number: int = 1) -> Message:
    raw = Msg(None, "orders.order.created", "$JS.ACK.ORDERS.d.1.7.7.0.0", b"{}", {"Nats-Msg-Id": f"evt_{number}"})
    return Message(raw, "order_created", nobody)


def block(seconds: float) -> None:
    time.sleep(seconds)  # the line that the stack has to show


async def handle(_: Message) -> None:
    block(1.0)


async def handle_batch(messages: list[Message]) -> None:
    block(1.0)


async def over(watch: LoopWatch, times: int = 1) -> None:
    await asyncio.to_thread(wait_until, lambda: watch.times == times, limit=5, what="the end of it to be noticed")


async def test_it_is_reported_while_it_lasts_and_when_it_is_over(watch: LoopWatch, records: Records) -> None:
    meanwhile: list[dict[str, Any]] = []
    reader = threading.Timer(0.7, lambda: meanwhile.extend(records()))
    reader.start()
    await handle(message())
    reader.join()
    await over(watch)

    [first] = [record for record in meanwhile if record["message"] == "the event loop is blocked"]
    assert (first["level"], first["handler"], first["message_id"]) == ("WARNING", "order_created", "evt_1")
    assert (first["subject"], first["correlation_id"], first["attempt"]) == ("orders.order.created", "evt_1", 1)
    assert 0.3 <= first["seconds"] <= 0.7
    assert "time.sleep(seconds)  # the line that the stack has to show" in first["stack"].splitlines()[-1]
    last = records()[-1]
    assert (last["message"], last["handler"], last["message_id"]) == (
        "the event loop was blocked",
        "order_created",
        "evt_1",
    )
    assert last["seconds"] == pytest.approx(1.0, abs=0.3)


async def test_it_is_counted(watch: LoopWatch) -> None:
    await handle(message())
    await over(watch)
    block(0.5)
    await over(watch, 2)

    counts = watch.stats()
    assert counts["blocked"] == 2
    assert counts["longest"] == pytest.approx(1.0, abs=0.3)
    assert counts["seconds"] == pytest.approx(1.5, abs=0.5)
    assert counts["last"]["handler"] is None, "the second was nobody's"


async def test_a_batch_is_named_by_all_its_messages(watch: LoopWatch, records: Records) -> None:
    await handle_batch([message(1), message(2)])
    await over(watch)

    assert records()[0]["message_ids"] == ["evt_1", "evt_2"]
    assert "message_id" not in records()[0]


async def test_a_long_one_is_reported_again(
    watch: LoopWatch, records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LoopWatch, "REPEAT", 0.3)
    await handle(message(1))
    await over(watch)

    assert [record["message"] for record in records()].count("the event loop is blocked") in (2, 3)


async def test_code_that_holds_the_interpreters_lock_is_reported(watch: LoopWatch) -> None:
    """The watching thread stands still too, and hears of it afterwards."""
    re.match(r"(a+)+$", "a" * 26 + "b")  # computes for seconds

    await over(watch)
    assert watch.longest > 0.3


async def test_an_idle_loop_and_a_busy_one_are_no_blocked_ones(watch: LoopWatch, records: Records) -> None:
    await asyncio.sleep(0.6)  # what is tested: nothing happens for longer than the limit
    until = time.monotonic() + 0.6
    while time.monotonic() < until:
        block(0.02)
        await asyncio.sleep(0)

    assert (watch.times, records()) == (0, [])


async def test_an_action_that_blocks_is_named_too(watch: LoopWatch, records: Records) -> None:
    async def answer(context: Context) -> None:
        block(0.6)

    await answer(Context(Msg(None, "v1.billing.greet", "inbox", b"{}", {"Correlation-Id": "c1"}), "greet"))
    await over(watch)

    last = records()[-1]
    assert (last["action"], last["subject"], last["correlation_id"]) == ("greet", "v1.billing.greet", "c1")
    assert watch.last is not None
    assert watch.last.handler == "greet"
