"""The page under load: it stays responsive, counts everything, and `natsgen dev` takes bounded memory."""

from __future__ import annotations

import asyncio
import json
import re
import threading
import time
from pathlib import Path
from statistics import median

import nats
import pytest
from playwright.sync_api import Page, expect

from tests.dev.conftest import LIMIT, SUBJECT, Start, event, open_page

RATE = 2_000  # messages a second
SECONDS = 20
INPUT_DELAY = 100  # milliseconds from a key to the next frame
MEMORY = 200 * 1024  # KiB

MEASURE = """() => {
  window.delays = [];
  addEventListener("keydown", (event) => {
    requestAnimationFrame(() => setTimeout(() => delays.push(performance.now() - event.timeStamp)));
  }, true);
}"""


@pytest.mark.slow
@pytest.mark.browser
def test_2000_messages_a_second_do_not_freeze_it(start: Start, page: Page) -> None:
    dev = start("billing")
    open_page(dev, page)
    page.get_by_role("tab", name="Messages").click()
    page.evaluate(MEASURE)
    publishing = threading.Thread(target=lambda: asyncio.run(publish(dev.nats_url)))
    publishing.start()
    while publishing.is_alive():
        page.get_by_label("Filter").press("a")
        page.get_by_label("Filter").press("Backspace")
        page.wait_for_timeout(500)
    delays = page.evaluate("delays")
    expect(page.locator("#status")).to_contain_text(f"{RATE * SECONDS} messages", timeout=LIMIT * 1000)
    page.get_by_role("tab", name="Handlers").click()
    expect(page.locator("#handler-rows")).to_contain_text(str(RATE * SECONDS), timeout=LIMIT * 1000)
    assert median(delays) < INPUT_DELAY
    used = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{dev.process.pid}/status").read_text())
    assert used is not None
    assert int(used[1]) < MEMORY


async def publish(url: str) -> None:
    """Publishes at the rate, as far as the machine can."""
    async with await nats.connect(url) as client:
        jetstream = client.jetstream(publish_async_max_pending=4 * RATE)
        begun = time.monotonic()
        for number in range(RATE * SECONDS):
            await jetstream.publish_async(SUBJECT, json.dumps(event(number)).encode())
            if number % 20 == 0:
                await asyncio.sleep(max(0.0, begun + number / RATE - time.monotonic()))
        await jetstream.publish_async_completed()
