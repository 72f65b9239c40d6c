"""How late the event loop is, as a gauge."""

from __future__ import annotations

import time
from typing import Any

from src.infrastructure.metrics import LOOP_LAG
from src.infrastructure.subscription import Subscription
from tests.runtime.conftest import until


def lag() -> float:
    return float(LOOP_LAG._value.get())


async def test_a_handler_that_blocks_the_loop_is_seen_in_the_gauge(run_worker: Any) -> None:
    """It replaces the report that named the handler."""

    async def handle(event: dict[str, Any]) -> None: ...

    async with run_worker(Subscription(handler="tested", subject="integration.order.created", function=handle)):
        await until(lambda: 0 < lag() < 0.3, "an idle loop to be measured")
        time.sleep(1.5)  # noqa: ASYNC251 - what is tested
        await until(lambda: lag() > 0.4, "the lag")
        await until(lambda: lag() < 0.3, "the end of it")
