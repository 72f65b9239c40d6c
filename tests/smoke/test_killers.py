"""Messages that kill or end their worker, among others that it takes along: only the killers are given up."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest
from nats.js import JetStreamContext

from natsgen.harness.waiting import wait_until
from tests.smoke.conftest import StartService, natsgen

COUNT, KILLERS = 40, {"5", "23"}
SECONDS = 300.0  # on a busy machine; a quiet one takes about 15
KILL = "os.kill(os.getpid(), signal.SIGSEGV) if {number} in (5, 23) else await asyncio.sleep(0.01)"
NOTE = 'Path(settings.SERVICE_NAME).with_suffix(".done").open("a").write(str({number}) + "\\n")'
IMPORTS = "import asyncio, os, signal\nfrom pathlib import Path\nfrom src.config import settings\n"
SHARED = "ack_wait=1, max_attempts=2, concurrency=5, backoff=Backoff(initial=0.1, maximum=0.1)"

BATCH = f"""{IMPORTS}
from src.infrastructure.subscription import Backoff, subscriber

@subscriber("orders.order.created", batch_size=10, batch_wait=0.1, {SHARED})
async def handle_order_created(events: list[int]) -> None:
    for event in events:
        {KILL.format(number="event")}
    for event in events:
        {NOTE.format(number="event")}
"""
TASK = f"""{IMPORTS}
from src.infrastructure.subscription import Backoff
from src.tasks import task

@task("process_emails", queue="emails", {SHARED})
async def process_emails(payload: int) -> None:
    {KILL.format(number="payload")}
    {NOTE.format(number="payload")}
"""
KINDS = {
    "batch": (
        ("--data", "handlers={order_created: {subject: orders.order.created, batch: true}}"),
        ("src/domain/handlers/order_created_handler.py", BATCH, "orders.order.created"),
    ),
    "task": (
        ("--queue", "emails"),
        ("src/domain/tasks/process_emails_task.py", TASK, "queue.emails.normal.process_emails"),
    ),
}


@pytest.mark.parametrize("kind", KINDS)
async def test_innocents_beside_a_killer_are_handled_and_no_dead_letters(
    kind: str, start_service: StartService, jetstream: JetStreamContext, tmp_path: Path
) -> None:
    options, (file, source, subject) = KINDS[kind]
    natsgen(tmp_path / "shop", "new", "worker", "billing", *options)
    folder = tmp_path / "shop/services/billing"
    (folder / file).write_text(source)
    worker = start_service(folder)
    for number in range(COUNT):
        await jetstream.publish(subject, str(number).encode())

    until = time.monotonic() + SECONDS
    while await letters(jetstream) < len(KILLERS) or len(done(folder)) < COUNT - len(KILLERS):
        assert time.monotonic() < until, f"{len(done(folder))} handled, {await letters(jetstream)} dead letters"
        if not worker.process.running:
            worker.process.stop()
            await asyncio.to_thread(worker.start)  # as an orchestrator does
        await asyncio.sleep(0.1)

    assert done(folder) == {str(number) for number in range(COUNT)} - KILLERS
    assert {(await jetstream.get_msg("DLQ", number)).data for number in (1, 2)} == {b"5", b"23"}
    assert (await jetstream.get_msg("DLQ", 1)).headers["Dlq-Reason"] == "crashed"  # type: ignore[index]


async def letters(jetstream: JetStreamContext) -> int:
    return (await jetstream.stream_info("DLQ")).state.messages


def done(folder: Path) -> set[str]:
    file = folder / "billing.done"
    return set(file.read_text().split()) if file.exists() else set()


ENDS = """
import asyncio
from src.infrastructure.subscription import Backoff, subscriber

QUICKLY = Backoff(initial=0.1, maximum=0.1)

@subscriber("orders.order.created", ack_wait=600, max_attempts=2, concurrency=5, backoff=QUICKLY)
async def handle_order_created(event: int) -> None:
    if event == 0:
        WHAT
    await asyncio.sleep(60)
"""


@pytest.mark.parametrize(
    "what",
    [
        'raise GeneratorExit("x")',
        "asyncio.get_running_loop().stop()",
        "[task.cancel() for task in asyncio.all_tasks()]",
    ],
)
async def test_what_is_no_exception_ends_the_worker_which_gives_back_what_it_holds(
    service: Path, start_service: StartService, jetstream: JetStreamContext, what: str
) -> None:
    (service / "src/domain/handlers/order_created_handler.py").write_text(ENDS.replace("WHAT", what))
    worker = start_service(service, GRACEFUL_SHUTDOWN_TIMEOUT="1")
    for number in (1, 2, 3, 0):
        await jetstream.publish("orders.order.created", str(number).encode())

    await asyncio.to_thread(wait_until, lambda: not worker.process.running, limit=30, what="the process to end")

    assert worker.process.returncode not in (0, None)
    consumer = await jetstream.pull_subscribe_bind("billing-order_created", "ORDERS")
    given_back: list[bytes] = []
    while len(given_back) < 3:
        given_back += [message.data for message in await consumer.fetch(3 - len(given_back), timeout=15)]
    assert set(given_back) <= {b"0", b"1", b"2", b"3"}
    assert len(given_back) == 3
