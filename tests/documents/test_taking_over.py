"""docs/guides/taking-over.md as it stands: the service continues where the worker that it replaces has stopped."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import nats
import pytest

from natsgen.harness.nats_server import NatsServer
from natsgen.harness.processes import ManagedProcess
from natsgen.harness.service import GeneratedService
from natsgen.harness.waiting import wait_until
from tests.documents.blocks import read_blocks
from tests.documents.conftest import natsgen, put_files
from tests.smoke import letters

ROOT = Path(__file__).parents[2]
BLOCKS = read_blocks(ROOT, "docs/guides/taking-over.md")
[OLD_WORKER, NEW_CONSUMER] = [block.text for block in BLOCKS if block.language == "python" and not block.place]
PUSH = {
    'js.pull_subscribe("shop.order.created", durable="invoices", stream="SHOP", config=config)': (
        'js.subscribe("shop.order.created", durable="invoices", stream="SHOP", config=config, manual_ack=True)'
    ),
    "messages = await sub.fetch(10, timeout=1)": "messages = [await sub.next_msg(timeout=1)]",
}
"""Turns the old worker's consumer into one that is pushed to."""
LIMIT = 100.0  # seconds; more than the consumer's `ack_wait`


def published(server: NatsServer, first: int) -> None:
    """Publishes three orders to the old worker's stream; the last is to be rejected."""

    async def publish() -> None:
        client = await nats.connect(server.url)
        for number in range(first, first + 3):
            order = {"id": f"{number}", "amount": 40 if number < first + 2 else -1}
            await client.jetstream().publish("shop.order.created", json.dumps(order).encode())
        await client.close()

    asyncio.run(publish())


def old_worker_handles(source: str, server: NatsServer, folder: Path, environment: Mapping[str, str]) -> None:
    """Lets the old worker handle three orders, and stops it; three more wait then."""
    command = [sys.executable, "-c", source]
    with ManagedProcess(command, name="old", log_folder=folder, environment=environment) as old:
        wait_until(lambda: is_there(server), limit=LIMIT, what="the old consumer", alive=old.check_alive)
        published(server, 1)
        wait_until(lambda: len([*old.lines()]) == 2, limit=LIMIT, what="two invoices", alive=old.check_alive)
        wait_until(lambda: is_there(server, acked=3), limit=LIMIT, what="three acks", alive=old.check_alive)
    published(server, 4)


def is_there(server: NatsServer, acked: int = 0) -> bool:
    """Return whether the old worker's consumer exists and has acked so many messages of the stream."""

    async def look() -> bool:
        client = await nats.connect(server.url)
        try:
            info = await client.jetstream().consumer_info("SHOP", "invoices")
        except nats.js.errors.NotFoundError:
            return False
        finally:
            await client.close()
        return bool(info.num_ack_pending == 0 and info.delivered and (info.delivered.consumer_seq or 0) >= acked)

    return asyncio.run(look())


@pytest.mark.slow
@pytest.mark.parametrize("pushed", [False, True], ids=["pull", "push"])
def test_the_service_continues_where_the_old_worker_stopped(pushed: bool, tmp_path: Path) -> None:
    old, service = OLD_WORKER, tmp_path / "services/billing"
    commands = [command for block in BLOCKS if block.language == "sh" for command in block.commands]
    natsgen(tmp_path, *commands[0].split()[1:])
    put_files(BLOCKS, service)
    with NatsServer(tmp_path / "nats") as server:
        environment = {**letters.environment(), "NATS_URL": server.url, "PYTHONUNBUFFERED": "1"}
        if pushed:
            for pulls, pushes in PUSH.items():
                assert pulls in old
                old = old.replace(pulls, pushes)
            handler = service / "src/domain/handlers/order_created_handler.py"
            handler.write_text(handler.read_text().replace(' durable="invoices",', ""))
        old_worker_handles(old, server, tmp_path, environment)
        if pushed:
            subprocess.run([sys.executable, "-c", NEW_CONSUMER], env=environment, check=True, timeout=LIMIT)
        known = {"NATS_URL": server.url, "CONSUL_ENABLED": "false"}
        with GeneratedService(service, python=sys.executable, log_folder=tmp_path, settings=known) as worker:

            def logged(message: str) -> list[str]:
                return sorted(one.get("order", "") for one in worker.log_records() if one["message"] == message)

            wait_until(
                lambda: (len(logged("invoice written")), len(logged("dead letter"))) >= (2, 1), limit=LIMIT, what="all"
            )
            assert logged("invoice written") == ["4", "5"]
            assert len(logged("dead letter")) == 1

    if not pushed:
        check = [sys.executable, "-m", "pytest", "-q", "tests/handlers"]
        done = subprocess.run(
            check, cwd=service, env=letters.environment(), capture_output=True, text=True, timeout=120
        )
        assert "2 passed" in done.stdout, done.stdout + done.stderr
