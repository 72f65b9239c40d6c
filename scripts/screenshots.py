"""Photographs the page of `natsgen dev` for `docs/dev.md`: `python -m scripts.screenshots`.

With a folder as the argument, every view is put there instead, light, dark and 380 pixels wide.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Literal

from playwright.sync_api import Page, expect, sync_playwright

from natsgen.harness.processes import ManagedProcess

ROOT = Path(__file__).resolve().parent.parent
READY_SECONDS = 180.0  # the first run installs the services' requirements
TABS = ("Messages", "Handlers", "Dead letters", "Send", "Map")
HEIGHTS = {"Map": 560, "Send": 800}
SHOWN = ("Messages", "Send", "Map")
MAKE = (
    "new worker billing --subject orders.order.created",
    "add-handler billing orders.order.cancelled",
    "new worker mailer --subject billing.invoice.written",
    "new service pricing --action quote",
    "add-handler mailer orders.order.created --name welcome",
)
WRITE = """
    invoice = Event.new("billing.invoice.written", event.aggregate_id, {"total": event.data.total})
    await publish("billing.invoice.written", invoice)
"""
LOOKS: tuple[tuple[Literal["light", "dark"], int], ...] = (("light", 1180), ("dark", 1180), ("dark", 380))


def main() -> None:
    """Take the pictures."""
    everything = Path(sys.argv[1]) if sys.argv[1:] else None
    expect.set_options(timeout=READY_SECONDS * 1000)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as tool:
        shop = Path(folder) / "shop"
        chromium = tool.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        with running(shop) as address:
            for tab in TABS:
                with traffic(shop) if tab == "Map" else nullcontext():
                    for look, width in LOOKS if everything else LOOKS[:1]:
                        page = chromium.new_page(
                            viewport={"width": width, "height": HEIGHTS.get(tab, 640)}, color_scheme=look
                        )
                        page.set_default_timeout(READY_SECONDS * 1000)
                        page.goto(address)
                        page.get_by_role("tab", name=tab).click()
                        show(page, tab)
                        name = f"{tab.split()[0].lower()}-{look}-{width}" if everything else f"dev-{tab.lower()}"
                        if everything or tab in SHOWN:
                            page.screenshot(path=(everything or ROOT / "docs") / f"{name}.png")
                        page.close()


def show(page: Page, tab: str) -> None:
    """Open in a view what is worth seeing."""
    if tab == "Map":
        expect(page.locator("#map")).to_contain_text(re.compile(r"\d/s.*\d/s.*\d/s"))
    if tab == "Messages":
        page.locator("#rows tr", has_text="dead letter, mailer").first.get_by_role("button").click()
        expect(page.locator("#detail")).to_contain_text("the mail server refuses")
    if tab == "Dead letters":
        page.locator("#letter-rows button").first.click()
    if tab == "Send":
        page.get_by_label("To", exact=True).select_option("billing/handler/order_created")
        page.get_by_label("aggregateId").fill("order-7")
        page.get_by_role("button", name="Send", exact=True).click()
        expect(page.locator("#result")).to_contain_text("handled mailer.invoice_written")


@contextmanager
def running(shop: Path) -> Iterator[str]:
    """Run a workspace of three services, one of whose messages became a dead letter, and give the page's address."""
    shop.mkdir()
    for line in MAKE:
        natsgen(shop, *line.split())
    edit(
        shop,
        "billing",
        "order_created",
        '(extra="allow")\n',
        '(extra="allow")\n\n    total: int\n    currency: str = "EUR"\n',
    )
    edit(
        shop,
        "billing",
        "order_created",
        "events import Event\n",
        "events import Event\nfrom src.infrastructure.publishing import publish\n",
    )
    edit(shop, "billing", "order_created", "\n    logger.info(", f"{WRITE}    logger.info(")
    refuse = '    if event.aggregate_id == "order-13":\n        raise ValueError("the mail server refuses order-13")\n'
    edit(shop, "mailer", "invoice_written", "    logger.info(", f"{refuse}    logger.info(")
    edit(shop, "mailer", "invoice_written", '.written")\n', '.written", max_attempts=2)\n')
    command = [sys.executable, "-m", "natsgen", "dev", "--workspace", str(shop)]
    with ManagedProcess(command, name="dev", log_folder=shop.parent) as dev:
        for service in ("billing", "mailer", "pricing"):
            dev.wait_for_line(f"{service} is ready", limit=READY_SECONDS)
        address = dev.wait_for_line("open the page", limit=READY_SECONDS).string
        for order in (12, 13, 14):
            natsgen(shop, "publish", "billing", "order_created", "--data", event(order))
        dev.wait_for_line("dead letter", limit=READY_SECONDS)
        found = re.search(r"http://\S+", address)
        assert found is not None
        yield found[0]


@contextmanager
def traffic(shop: Path) -> Iterator[None]:
    """Publish nine orders a second."""
    command = [sys.executable, "-m", "natsgen", "publish", "billing", "order_created", "--workspace", str(shop)]
    with ManagedProcess([*command, "--count", "100000", "--rate", "9"], name="traffic", log_folder=shop.parent):
        yield


def event(order: int) -> str:
    """Return an order."""
    return (
        f'{{"id": "order-{order}-created", "type": "orders.order.created", "timestamp": "2026-03-01T12:00:00Z", '
        f'"aggregateId": "order-{order}", "data": {{"total": {order * 10}}}}}'
    )


def natsgen(shop: Path, *arguments: str) -> None:
    """Type a command."""
    command = [sys.executable, "-m", "natsgen", *arguments, "--workspace", str(shop)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def edit(shop: Path, service: str, handler: str, before: str, after: str) -> None:
    """Replace a piece of a handler.

    Raises:
        ValueError: it is not there.
    """
    file = shop / "services" / service / "src/domain/handlers" / f"{handler}_handler.py"
    text = file.read_text()
    if before not in text:
        raise ValueError(f"{file} has no {before!r}")
    file.write_text(text.replace(before, after, 1))


if __name__ == "__main__":
    main()
