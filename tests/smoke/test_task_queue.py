"""A worker on a task queue, as a process on a real server: what a person does after `natsgen new worker --queue`."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from nats.js import JetStreamContext

from natsgen.harness.nats_server import NatsServer
from natsgen.harness.service import GeneratedService
from natsgen.harness.waiting import wait_until
from tests.smoke.conftest import StartService, natsgen
from tests.smoke.traffic import event

MAILER = Path("services", "mailer")
TASK = "emails.process_emails"
SCRIPT_SECONDS = 30.0

SLOW = """
import asyncio
from pathlib import Path

from src.config import settings
from src.tasks import Message, task

@task("process_emails", queue="emails", ack_wait=1, max_attempts=3)
async def process_emails(payload: dict, message: Message) -> str:
    log = Path(payload["log"])
    with log.open("a") as file:
        file.write(f"{settings.HOSTNAME} {message.attempt}\\n")
    if settings.HOSTNAME == "dies":
        await asyncio.sleep(60)
    return settings.HOSTNAME
"""

ENQUEUES = """
from src.domain.events import Event
from src.infrastructure.subscription import subscriber
from src.tasks import enqueue

@subscriber("orders.order.created")
async def handle_order_created(event: Event[dict]) -> None:
    await enqueue("emails.process_emails", event.data, priority="high", result_ttl=60, task_id=event.id)
"""


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """A workspace with the worker `mailer`, which works off emails."""
    folder = tmp_path / "shop"
    natsgen(folder, "new", "worker", "mailer", "--queue", "emails", "--with", "sync")
    return folder


def script(service: Path, python: Path, nats_server: NatsServer, source: str) -> str:
    """What a script prints that a person runs in the service's folder."""
    process = subprocess.run(
        [python, "-c", source],
        env={"NATS_URL": nats_server.url},
        cwd=service,
        capture_output=True,
        text=True,
        timeout=SCRIPT_SECONDS,
    )
    assert process.returncode == 0, process.stderr
    return process.stdout


def test_task_queue_worker_does_what_the_readme_enqueues(
    workspace: Path, start_service: StartService, service_python: Path, nats_server: NatsServer
) -> None:
    readme = re.sub("^    ", "", (workspace / MAILER / "src/tasks/README.md").read_text(), flags=re.MULTILINE)
    found = re.search(r"python -c '(from src\.tasks [^']*)'", readme)
    assert found is not None
    worker = start_service(workspace / MAILER)

    printed = script(workspace / MAILER, service_python, nats_server, found[1].replace("emails.send_email", TASK))

    assert printed == "None\n"
    stats = worker.stats()["subscriptions"]["process_emails"]
    assert (stats["handled"], stats["subject"]) == (1, "queue.emails.*.process_emails")


async def test_task_queue_task_of_a_killed_worker_is_done_by_another(
    workspace: Path, start_service: StartService, jetstream: JetStreamContext, tmp_path: Path
) -> None:
    (workspace / MAILER / "src/domain/tasks/process_emails_task.py").write_text(SLOW)
    log = tmp_path / "attempts"
    dies = start_service(workspace / MAILER, name="dies")
    payload = json.dumps({"log": str(log)}).encode()
    await jetstream.publish("queue.emails.low.process_emails", payload, headers={"Task-Id": "one"})
    await asyncio.to_thread(wait_until, log.exists, limit=30, what="the first attempt")

    dies.process.kill()
    lives = start_service(workspace / MAILER, name="lives")
    await until_handled(lives, 1)

    assert log.read_text().splitlines() == ["dies 1", "lives 2"]
    assert (await jetstream.stream_info("QUEUE_EMAILS")).state.messages == 0


async def test_task_queue_is_filled_by_another_service(
    workspace: Path,
    start_service: StartService,
    service_python: Path,
    nats_server: NatsServer,
    jetstream: JetStreamContext,
    tmp_path: Path,
) -> None:
    """A handler enqueues by name, before the worker has ever run; a script waits for the result."""
    natsgen(workspace, "new", "worker", "orders", "--subject", "orders.order.created", "--with", "tasks")
    (workspace / "services/orders/src/domain/handlers/order_created_handler.py").write_text(ENQUEUES)
    (workspace / MAILER / "src/domain/tasks/process_emails_task.py").write_text(SLOW)
    orders = start_service(workspace / "services/orders")
    ordered = json.loads(event(1)) | {"data": {"log": str(tmp_path / "attempts")}}
    await jetstream.publish("orders.order.created", json.dumps(ordered).encode())
    await until_handled(orders, 1, "order_created")

    worker = start_service(workspace / MAILER)
    waits = "from src.tasks import ticket_for\nfrom src.toolkit.sync import SyncNats\nwith SyncNats() as nats:\n    "
    waits += "print(nats.blocking(ticket_for('emails.process_emails', 'evt_1')).result(timeout=10))"

    assert script(workspace / MAILER, service_python, nats_server, waits) == "mailer\n"
    await until_handled(worker, 1)


async def until_handled(worker: GeneratedService, count: int, handler: str = "process_emails") -> None:
    def handled() -> Any:
        return worker.stats()["subscriptions"][handler]["handled"] >= count

    await asyncio.to_thread(wait_until, handled, limit=60, what=f"{count} handled")
