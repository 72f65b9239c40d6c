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
from playwright.sync_api import Browser, Page, expect

from tests.dev.conftest import LIMIT, SUBJECT, Start, event, natsgen, open_page

RATE = 2_000  # messages a second
SECONDS = 60
SUBJECTS = (SUBJECT, *(f"orders.order.{name}" for name in ("paid", "packed", "sent", "received")))
"""Each is taken by a service of its own."""
INPUT_DELAY = 100  # milliseconds from a key to the next frame
TASKS = "disabled-by-default-devtools.timeline"  # the category of a browser's trace that has them
MEMORY = 200 * 1024  # KiB

MEASURE = """() => {
  window.delays = [];
  addEventListener("keydown", (event) => {
    requestAnimationFrame(() => setTimeout(() => delays.push(performance.now() - event.timeStamp)));
  }, true);
}"""


@pytest.mark.slow
@pytest.mark.browser
def test_2000_messages_a_second_do_not_freeze_it(start: Start, workspace: Path, browser: Browser, page: Page) -> None:
    for subject in SUBJECTS[1:]:
        natsgen(workspace, "new", "worker", subject.rpartition(".")[2], "--subject", subject)
    dev = start()
    open_page(dev, page)
    expect(page.get_by_role("status").first).to_contain_text("6 of 6 services ready")
    page.get_by_role("tab", name="Messages").click()
    page.evaluate(MEASURE)
    browser.start_tracing(page=page, categories=[TASKS])
    publishing = threading.Thread(target=lambda: asyncio.run(publish(dev.nats_url)))
    publishing.start()
    while publishing.is_alive():
        page.get_by_label("Filter").press("a")
        page.get_by_label("Filter").press("Backspace")
        page.wait_for_timeout(500)
    delays = page.evaluate("delays")
    longest = max(milliseconds_of_tasks(browser.stop_tracing()))
    expect(page.locator("#status")).to_contain_text(f"{RATE * SECONDS} messages", timeout=LIMIT * 1000)
    page.get_by_role("tab", name="Handlers").click()
    for subject in SUBJECTS:
        row = page.locator("#handler-rows tr", has_text=subject)
        expect(row).to_contain_text(str(RATE * SECONDS // len(SUBJECTS)), timeout=3 * LIMIT * 1000)
    print("input delays:", sorted(map(round, delays)))
    print("longest task of the page:", longest, "ms of CPU")
    assert median(delays) < INPUT_DELAY
    assert longest < INPUT_DELAY, "which delays every key that comes meanwhile, also where nothing else takes the CPU"
    used = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{dev.process.pid}/status").read_text())
    assert used is not None
    print("memory:", used[1], "KiB")
    assert int(used[1]) < MEMORY


def milliseconds_of_tasks(trace: bytes) -> list[float]:
    """The CPU time of each task of the page, which other processes of a loaded machine do not lengthen."""
    events = json.loads(trace)["traceEvents"]
    main = {(one["pid"], one["tid"]) for one in events if one.get("args", {}).get("name") == "CrRendererMain"}
    tasks = [one for one in events if one["name"] == "RunTask" and (one["pid"], one["tid"]) in main]
    return [one["tdur"] / 1000 for one in tasks if "tdur" in one]  # the one that runs at the end has none yet


async def publish(url: str) -> None:
    """Publishes at the rate, as far as the machine can."""
    async with await nats.connect(url) as client:
        jetstream = client.jetstream(publish_async_max_pending=4 * RATE)
        begun = time.monotonic()
        for number in range(RATE * SECONDS):
            await jetstream.publish_async(SUBJECTS[number % len(SUBJECTS)], json.dumps(event(number)).encode())
            if number % 20 == 0:
                await asyncio.sleep(max(0.0, begun + number / RATE - time.monotonic()))
        await jetstream.publish_async_completed()
