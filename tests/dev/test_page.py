"""The page of `natsgen dev` in a real browser, from the first event to the replay of a dead letter."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect

from natsgen.harness.environment import environment_for
from natsgen.harness.http_client import request
from tests.dev.conftest import HANDLER, LIMIT, SUBJECT, Start, event, natsgen, open_page

pytestmark = pytest.mark.browser


STORY_SECONDS = 120
"""From an empty folder to the replay. Packages are installed before: how long that takes, others decide."""


def test_from_a_new_worker_to_a_replayed_dead_letter(start: Start, generated: Path, tmp_path: Path, page: Page) -> None:
    environment_for(generated / "services" / "billing" / "requirements.txt")
    workspace = tmp_path / "empty"
    workspace.mkdir()
    began = time.monotonic()
    natsgen(workspace, "new", "worker", "billing", "--subject", SUBJECT)
    dev = start("--workspace", str(workspace))
    open_page(dev, page)
    drawn = page.get_by_role("button", name=f"{SUBJECT}, stream ORDERS, from anyone, to billing.order_created")
    expect(drawn).to_be_visible()
    expect(page.locator("#lines path")).to_have_count(2)
    page.get_by_role("button", name="As a list").press("Enter")
    expect(page.locator("#graph")).to_contain_text("billing.order_created")
    assert "token" not in page.url

    page.get_by_role("tab", name="Send").click()
    expect(page.get_by_label("To", exact=True)).to_contain_text("billing: handler order_created")
    page.get_by_label("aggregateId").fill("order-1")
    page.get_by_role("button", name="Send", exact=True).click()
    expect(page.locator("#result")).to_contain_text("handled billing.order_created")

    handler, good = workspace / HANDLER, (workspace / HANDLER).read_text()
    broken = good.replace(
        '    logger.info("event handled"', '    raise ValueError("no such customer")\n    logger.info("event handled"'
    )
    broken = broken.replace(
        f'@subscriber("{SUBJECT}")', f'@subscriber("{SUBJECT}", max_attempts=2, backoff=Backoff(initial=0.2))'
    )
    broken = broken.replace("subscription import subscriber", "subscription import Backoff, subscriber")
    handler.write_text(broken)
    dev.wait("billing is ready after an edit")
    page.get_by_label("aggregateId").fill("order-2")
    page.get_by_role("button", name="Send", exact=True).click()
    expect(page.locator("#result")).to_contain_text("ValueError: no such customer")
    expect(page.locator("#result")).to_contain_text("attempt 2")
    expect(page.locator("#result")).to_contain_text("dead letter")

    page.get_by_role("tab", name="Dead letters").click()
    page.get_by_role("button", name="billing.order_created").click()
    expect(page.locator("#letter")).to_contain_text("raise ValueError")
    handler.write_text(good)
    dev.wait("billing is ready after an edit", times=2)
    page.locator("#letter").get_by_role("button", name="Replay").click()
    expect(page.locator("#letter-note")).to_have_text("1 replayed")
    expect(page.locator("#no-letters")).to_be_visible()
    took = time.monotonic() - began
    print(f"the story took {took:.1f} s")
    assert took < STORY_SECONDS

    page.get_by_role("tab", name="Messages").click()
    for _ in range(8):  # more than the connections that a browser keeps to one host
        page.get_by_label("Filter").fill("nothing like it")
        page.wait_for_timeout(300)
        page.get_by_label("Filter").fill("")
        page.wait_for_timeout(300)
    first = page.locator("#rows tr", has_text=SUBJECT).first
    expect(first).to_contain_text("handled after 2 failed, billing.order_created")
    first.get_by_role("button").click()
    expect(page.locator("#detail .life")).to_contain_text("replayed")
    page.get_by_role("tab", name="Handlers").click()
    expect(page.locator("#handler-rows")).to_contain_text("billing.order_created")
    assert dev.stop().exit_code == 0
    expect(page.locator("#status")).to_have_text("natsgen dev does not answer")


HOSTILE = {
    "script": b'{"name": "<script>alert(1)</script><img src=x onerror=alert(2)>"}',
    "large": json.dumps({"text": "x" * 900_000}).encode(),
    "binary": bytes(range(256)) * 20,
    "deep": b"[" * 50_000 + b"]" * 50_000,
    "control": "\x1b[2J\x00\u202eevil\u2066".encode(),
    "empty": b"",
}


def test_hostile_messages_are_shown_harmlessly(start: Start, page: Page) -> None:
    dev = start("billing")
    open_page(dev, page)
    headers = {"Correlation-Id": "<b onclick=alert(3)>x</b>", "X-Name": "<script>alert(4)</script>"}
    address = urlsplit(dev.wait("open the page")["url"])
    token = {"Authorization": f"Bearer {address.fragment.removeprefix('token=')}"}
    for wrong in ({}, {"Authorization": "Bearer x"}, {**token, "Origin": "http://a.test"}, {**token, "Host": "a.test"}):
        assert request("127.0.0.1", address.port or 0, "/api/targets", headers=wrong).status == 403
    assert request("127.0.0.1", address.port or 0, "/api/targets", headers=token).status == 200
    form = {**token, "Content-Type": "application/x-www-form-urlencoded"}
    sent = request("127.0.0.1", address.port or 0, "/api/purge", method="POST", body='{"letters": [1]}', headers=form)
    assert sent.status == 400, "which a form of another page could send"
    dev.publish_raw([(f"orders.hostile.{name}", content) for name, content in HOSTILE.items()], headers)
    page.get_by_role("tab", name="Messages").click()
    for name in HOSTILE:
        page.get_by_role("button", name=f"orders.hostile.{name}").first.click()
        expect(page.locator("#detail h2")).to_have_text(f"orders.hostile.{name}")
        expect(page.locator("#detail")).to_contain_text("<script>alert(4)</script>")
    page.get_by_role("button", name="orders.hostile.script").first.click()
    expect(page.locator("#detail pre").first).to_contain_text("<script>alert(1)</script>")
    assert page.locator("script").count() == 1
    assert page.locator("#detail b, #detail img").count() == 0


@pytest.mark.node
def test_axe_finds_no_serious_fault(start: Start, browser: Browser, tmp_path: Path) -> None:
    subprocess.run(["npm", "install", "--silent", "--no-save", "axe-core@4"], cwd=tmp_path, check=True, timeout=LIMIT)
    axe = (tmp_path / "node_modules/axe-core/axe.min.js").read_text()
    dev = start("billing")
    dev.wait("billing is ready")
    dev.publish_raw([(SUBJECT, json.dumps(event(1)).encode()), (SUBJECT, b"no JSON")])
    for width, dark in ((1280, False), (380, True)):
        context = browser.new_context(
            viewport={"width": width, "height": 760}, color_scheme="dark" if dark else "light"
        )
        page = context.new_page()
        open_page(dev, page)
        page.evaluate(axe)
        for tab, content in TABS.items():
            page.get_by_role("tab", name=tab).click()
            expect(page.locator(content).first).to_be_visible()
            if tab in ("Messages", "Dead letters"):
                page.locator(content).first.click()
                expect(page.locator("article:visible pre").first).to_be_visible()
            found = page.evaluate("axe.run()")["violations"]
            serious = [one for one in found if one["impact"] in ("serious", "critical")]
            assert [(one["id"], [node["html"] for node in one["nodes"]]) for one in serious] == [], tab
            assert page.evaluate("document.documentElement.scrollWidth") <= width, f"{tab} is wider than the window"
        context.close()


TABS = {
    "Map": "#picture button:visible, #graph .flow:visible",
    "Messages": "#rows button",
    "Handlers": "#handler-rows tr",
    "Dead letters": "#letter-rows button",
    "Send": "#fields",
}
