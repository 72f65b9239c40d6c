"""A workspace with two services, and `natsgen dev` as a person runs it there."""

from __future__ import annotations

import asyncio
import json
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nats
import pytest

from natsgen.harness.commands import run
from natsgen.harness.errors import WaitTimeout
from natsgen.harness.processes import ManagedProcess, Stopped
from natsgen.harness.waiting import wait_until

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

SUBJECT = "orders.order.created"
HANDLER = Path("services/billing/src/domain/handlers/order_created_handler.py")
LIMIT = 60.0  # seconds; a service starts in one, and its environment is made in half a minute


def natsgen(workspace: Path, *arguments: str) -> str:
    """Types a command, and returns what it printed."""
    command = [sys.executable, "-m", "natsgen", *arguments, "--workspace", str(workspace)]
    return run(command, limit=LIMIT).output


@pytest.fixture(scope="session")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with the worker `billing` and the service `greeter`, made with defaults."""
    workspace = tmp_path_factory.mktemp("workspace")
    natsgen(workspace, "new", "worker", "billing", "--subject", SUBJECT)
    natsgen(workspace, "new", "service", "greeter", "--action", "greet")
    return workspace


@pytest.fixture
def workspace(generated: Path, tmp_path: Path) -> Path:
    """A copy of it that the test may change."""
    return Path(shutil.copytree(generated, tmp_path / "shop"))


class Dev:
    """`natsgen dev --json`, running."""

    def __init__(self, process: ManagedProcess) -> None:
        self.process = process

    def records(self, **fields: Any) -> list[dict[str, Any]]:
        """The log records so far that have these fields."""
        lines = [json.loads(line) for line in self.process.lines() if line.startswith("{")]
        return [record for record in lines if all(record.get(name) == value for name, value in fields.items())]

    def said(self, text: str, *, service: str = "natsgen") -> list[dict[str, Any]]:
        """The records of a service, or of natsgen itself, whose message holds a text."""
        return [record for record in self.records(service=service) if text in record["message"]]

    def wait(self, text: str, *, service: str = "natsgen", times: int = 1) -> dict[str, Any]:
        """Waits until there are as many such records, and returns the last."""
        try:
            wait_until(
                lambda: len(self.said(text, service=service)) >= times,
                limit=LIMIT,
                what=f"{service} to say {text!r} {times} times",
                alive=self.process.check_alive,
            )
        except WaitTimeout as error:
            raise stacks(self.process, error) from error
        return self.said(text, service=service)[-1]

    @property
    def nats_url(self) -> str:
        """The address of its NATS."""
        return str(self.wait("with JetStream runs")["url"])

    def publish(self, subject: str, data: dict[str, Any]) -> None:
        """Publishes an event, and waits until a stream has it."""
        self.publish_raw([(subject, json.dumps(data).encode())])

    def publish_raw(self, messages: Sequence[tuple[str, bytes]], headers: dict[str, str] | None = None) -> None:
        """Publishes payloads as they are, and waits until streams have them."""

        async def send() -> None:
            async with await nats.connect(self.nats_url) as client:
                for subject, payload in messages:
                    await client.jetstream().publish(subject, payload, headers=headers)

        with ThreadPoolExecutor(1) as other:  # Playwright runs an event loop in this thread
            other.submit(asyncio.run, send()).result(LIMIT)

    def stop(self) -> Stopped:
        """Stops it by SIGTERM, which is what Ctrl-C does as well, and waits until it has ended by itself."""
        begun = time.monotonic()
        self.process.signal(signal.SIGTERM)
        try:
            code = self.process.wait(LIMIT)
        except WaitTimeout as error:
            raise stacks(self.process, error) from error
        return Stopped(code, time.monotonic() - begun, forced=False)


def processes(folder: Path, *, waiting: bool = False) -> list[int]:
    """The processes that run the service in a folder; or those that wait, at a pipe, to become it after an edit."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            is_its = (process / "cwd").readlink() == folder and b"src.main" in (process / "cmdline").read_bytes()
            if is_its and (process / "fd/0").readlink().name.startswith("pipe:") == waiting:
                found.append(int(process.name))
        except OSError:
            continue
    return found


Start = Callable[..., Dev]


@pytest.fixture
def start(workspace: Path, tmp_path: Path) -> Iterator[Start]:
    """Starts `natsgen dev` in the workspace."""
    started: list[ManagedProcess] = []

    def begin(*arguments: str) -> Dev:
        command = [sys.executable, "-X", "faulthandler", "-m", "natsgen", "dev", "--json"]
        command += ["--workspace", str(workspace), *arguments]
        started.append(ManagedProcess(command, name=f"dev-{len(started)}", log_folder=tmp_path))
        return Dev(started[-1])

    yield begin
    for process in started:
        if process.running:
            Dev(process).stop()


def stacks(process: ManagedProcess, error: WaitTimeout) -> WaitTimeout:
    """Ends a process that hangs, and returns the error with its output and what each of its threads did."""
    process.signal(signal.SIGABRT)
    process.wait(LIMIT)
    return WaitTimeout(f"{error}. The end of its output:\n{process.tail(200)}")


def event(number: int) -> dict[str, Any]:
    """An event of an order."""
    time = "2026-03-01T12:00:00Z"
    return {"id": f"e-{number}", "type": SUBJECT, "timestamp": time, "aggregateId": f"order-{number}", "data": {}}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium, without a window."""
    from playwright.sync_api import expect, sync_playwright  # which takes long

    expect.set_options(timeout=LIMIT * 1000)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page that fails the test for an error of its script, a dialog, or a request to another host."""
    faults: list[str] = []
    context = browser.new_context(viewport={"width": 1280, "height": 860})
    opened = context.new_page()
    opened.set_default_timeout(LIMIT * 1000)
    opened.on("pageerror", lambda error: faults.append(f"error: {error}"))
    opened.on("dialog", lambda dialog: (faults.append(f"dialog: {dialog.message}"), dialog.dismiss()))
    opened.on("request", lambda one: None if one.url.startswith("http://127.0.0.1:") else faults.append(one.url))
    yield opened
    context.close()
    assert faults == []


def open_page(dev: Dev, page: Page) -> None:
    """Opens the address that `natsgen dev` printed, once the services are ready."""
    from playwright.sync_api import expect

    dev.wait("billing is ready")
    page.goto(dev.wait("open the page")["url"])
    expect(page.get_by_role("status").first).to_contain_text("services ready")
