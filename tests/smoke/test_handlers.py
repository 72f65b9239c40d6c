"""Handlers that are added to a service, on a real NATS server: what a person does after `natsgen new worker`."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from nats.js import JetStreamContext
from nats.js.errors import NotFoundError

from natsgen.harness.commands import run
from natsgen.harness.environment import environment_for
from natsgen.harness.nats_server import NatsServer
from natsgen.harness.service import GeneratedService
from natsgen.harness.waiting import wait_until
from tests.smoke.conftest import STREAM, SUBJECT, StartWorker
from tests.smoke.traffic import event

COMMAND_SECONDS = 60.0
TESTS_SECONDS = 120.0
HANDLED_SECONDS = 30.0
HANDLERS = "src/domain/handlers"

# The handler that `add-handler --batch` made, edited as a person would: one event in mid-batch fails for a moment. That
# is longer than the worker takes to find out which one, and shorter than the pause before the next attempt.
FAILS_IN_MID_BATCH = """
import time

until = 0.0


async def save(event_id: str) -> None:
    global until
    if event_id == "evt_500":
        until = until or time.monotonic() + 0.5
        if time.monotonic() < until:
            raise RuntimeError("the database is away")
"""


@pytest.fixture
def shop(generated: Path, tmp_path: Path) -> Path:
    """A git repository with the service `billing`, all committed."""
    workspace = shutil.copytree(generated.parents[1], tmp_path / "shop", ignore=shutil.ignore_patterns("__pycache__"))
    git(workspace, "init", "--quiet", "--initial-branch=main")
    commit(workspace, "billing")
    return Path(workspace)


@pytest.fixture
def service(shop: Path) -> Path:
    """The service in the repository: what `start_worker` starts."""
    return shop / "services" / "billing"


@pytest.fixture(scope="session")
def development_python(generated: Path) -> Path:
    """The interpreter of an environment with the service's pinned development requirements."""
    return environment_for(generated / "requirements-dev.txt")


def git(folder: Path, *arguments: str) -> str:
    """Runs git as nobody in particular, with nobody's configuration."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    for role in ("AUTHOR", "COMMITTER"):
        environment |= {f"GIT_{role}_NAME": "someone", f"GIT_{role}_EMAIL": "someone@example.com"}
    environment |= {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "GIT_EDITOR": "true"}
    return run(["git", *arguments], limit=COMMAND_SECONDS, folder=folder, environment=environment).output


def commit(folder: Path, message: str) -> None:
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", message)


def natsgen(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs natsgen as a process in that folder."""
    return subprocess.run(
        [sys.executable, "-m", "natsgen", *arguments, "--no-input"],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=COMMAND_SECONDS,
    )


def done(folder: Path, *arguments: str) -> str:
    """Runs natsgen, which must succeed; returns what it printed."""
    completed = natsgen(folder, *arguments)
    assert completed.returncode == 0, completed.stderr
    return completed.stdout


async def publish(jetstream: JetStreamContext, subject: str, count: int, first: int = 0) -> None:
    """Publishes events `first` to `first + count - 1` on a subject, each confirmed."""
    numbers = range(first, first + count)
    await asyncio.gather(*(jetstream.publish(subject, event(number), timeout=10) for number in numbers))


def handled(worker: GeneratedService) -> dict[str, int]:
    """How many events each handler has handled."""
    return {name: counts["handled"] for name, counts in worker.stats()["subscriptions"].items()}


async def until_handled(worker: GeneratedService, wanted: dict[str, int]) -> None:
    """Waits until each handler has handled at least so many, and finds that none has handled more."""
    await asyncio.to_thread(
        wait_until,
        lambda: all(handled(worker)[name] >= count for name, count in wanted.items()),
        limit=HANDLED_SECONDS,
        what=f"{wanted} to be handled",
        alive=worker.process.check_alive,
    )
    assert handled(worker) == wanted


async def until_settled(jetstream: JetStreamContext, durable: str) -> None:
    """Waits until the consumer has nothing pending and nothing unacknowledged."""
    deadline = asyncio.get_running_loop().time() + HANDLED_SECONDS
    while (state := await jetstream.consumer_info(STREAM, durable)).num_pending or state.num_ack_pending:
        assert asyncio.get_running_loop().time() < deadline, state
        await asyncio.sleep(0.02)


async def test_two_branches_that_each_add_a_handler_merge_and_run_both(
    shop: Path, nats_server: NatsServer, jetstream: JetStreamContext, start_worker: StartWorker
) -> None:
    for event_name in ("cancelled", "refunded"):
        git(shop, "checkout", "--quiet", "-b", event_name, "main")
        done(shop, "add-handler", "billing", f"orders.order.{event_name}")
        commit(shop, f"handle orders.order.{event_name}")
    git(shop, "checkout", "--quiet", "main")

    git(shop, "merge", "--quiet", "--no-edit", "cancelled")
    git(shop, "merge", "--quiet", "--no-edit", "refunded")  # a conflict is an exit code, which `git` refuses

    assert git(shop, "status", "--porcelain") == ""
    worker = start_worker(NATS_URL=nats_server.url)
    await publish(jetstream, SUBJECT, 2)
    await publish(jetstream, "orders.order.cancelled", 3)
    await publish(jetstream, "orders.order.refunded", 4)
    await until_handled(worker, {"order_created": 2, "order_cancelled": 3, "order_refunded": 4})


@pytest.mark.parametrize(
    ("options", "package"),
    [
        ((), []),
        (("--batch", "--durable", "archive", "--concurrency", "3"), ["src/batch/README.md", "src/batch/__init__.py"]),
    ],
)
def test_adding_and_removing_a_handler_leaves_git_status_empty(
    shop: Path, options: tuple[str, ...], package: list[str]
) -> None:
    done(shop, "add-handler", "billing", "orders.order.cancelled", *options)
    assert sorted(git(shop, "status", "--porcelain", "--untracked-files=all").splitlines()) == [
        f"?? services/billing/{file}"
        for file in (
            *package,
            f"{HANDLERS}/order_cancelled_handler.py",
            "tests/handlers/test_order_cancelled_handler.py",
        )
    ]

    done(shop, "remove-handler", "billing", "order_cancelled")

    assert git(shop, "status", "--porcelain", "--untracked-files=all", "--ignored") == ""


@pytest.mark.slow  # the tests beside it have few, and prove the same
async def test_fifty_handlers_in_one_service_are_all_registered_listed_and_handle(
    shop: Path, nats_server: NatsServer, jetstream: JetStreamContext, start_worker: StartWorker
) -> None:
    subjects = {"order_created": SUBJECT} | {f"item_event{n}": f"orders.item.event{n}" for n in range(1, 50)}
    for name in list(subjects)[1:]:
        done(shop, "add-handler", "billing", subjects[name])

    listed = {words[0]: words[1] for line in done(shop, "list", "billing").splitlines()[1:] if (words := line.split())}
    document = json.loads(done(shop, "list", "--json"))
    worker = start_worker(NATS_URL=nats_server.url)

    assert listed == subjects
    assert {one["name"]: one["subject"] for one in document["services"][0]["handlers"]} == subjects
    assert worker.get("/readyz").status == 200
    assert worker.stats()["subscriptions"].keys() == subjects.keys()
    for subject in subjects.values():
        await publish(jetstream, subject, 2)
    await until_handled(worker, dict.fromkeys(subjects, 2))


@pytest.mark.parametrize(
    ("arguments", "name", "published"),
    [
        (["orders.order.cancelled"], "order_cancelled", ["orders.order.cancelled"]),
        (["orders.order.*"], "order_any", ["orders.order.cancelled", "orders.order.refunded"]),
        (["orders.>", "--name", "everything"], "everything", ["orders.a", "orders.b.c.d.e", "orders.order.cancelled"]),
        (["invoices.invoice.sent"], "invoice_sent", ["invoices.invoice.sent"]),
        (["orders.order.*", "--batch"], "order_any", ["orders.order.cancelled", "orders.order.refunded"]),
    ],
    ids=["one subject", "one token", "all the rest", "another stream", "a batch of one token"],
)
async def test_an_added_handler_works_at_once(
    arguments: list[str],
    name: str,
    published: list[str],
    shop: Path,
    service: Path,
    nats_server: NatsServer,
    jetstream: JetStreamContext,
    start_worker: StartWorker,
    development_python: Path,
) -> None:
    done(shop, "add-handler", "billing", *arguments)

    test = f"tests/handlers/test_{name}_handler.py"
    passed = run([development_python, "-m", "pytest", "-q", test], limit=TESTS_SECONDS, folder=service)
    assert "3 passed" in passed.output
    run([development_python, "-m", "ruff", "check", "--no-cache", "."], limit=COMMAND_SECONDS, folder=service)
    run([development_python, "-m", "ruff", "format", "--check", "."], limit=COMMAND_SECONDS, folder=service)
    worker = start_worker(NATS_URL=nats_server.url)
    for subject in published:
        await publish(jetstream, subject, 10)
    await asyncio.to_thread(
        wait_until,
        lambda: handled(worker)[name] == 10 * len(published),
        limit=HANDLED_SECONDS,
        what=f"{name} to handle everything",
    )
    assert f"billing-{name}" in done(shop, "list", "billing")


async def test_an_added_handler_has_the_durable_the_concurrency_and_the_batches_it_was_added_with(
    shop: Path,
    service: Path,
    nats_server: NatsServer,
    jetstream: JetStreamContext,
    start_worker: StartWorker,
    development_python: Path,
) -> None:
    options = ["--batch", "--concurrency", "3", "--durable", "archive"]
    done(shop, "add-handler", "billing", "orders.order.cancelled", *options)
    rewrite(
        service / HANDLERS / "order_cancelled_handler.py",
        "    for event in events:\n",
        "    logger.info('batch', size=len(events))\n    for event in events:\n",
    )
    test = "tests/handlers/test_order_cancelled_handler.py"
    run([development_python, "-m", "pytest", "-q", test], limit=TESTS_SECONDS, folder=service)
    run([development_python, "-m", "mypy"], limit=TESTS_SECONDS, folder=service)

    worker = start_worker(NATS_URL=nats_server.url)
    await publish(jetstream, "orders.order.cancelled", 300)
    await until_handled(worker, {"order_created": 0, "order_cancelled": 300})

    consumer = await jetstream.consumer_info(STREAM, "archive")
    assert consumer.config.durable_name == "archive"
    assert "orders.order.cancelled" in [consumer.config.filter_subject, *(consumer.config.filter_subjects or [])]
    assert {info.name for info in await jetstream.consumers_info(STREAM)} == {"archive", "billing-order_created"}
    sizes = [record["size"] for record in worker.log_records() if record["message"] == "batch"]
    assert sum(sizes) == 300
    assert max(sizes) > 1


async def test_an_edited_handler_is_removed_only_by_force_and_its_durable_is_on_the_server_until_it_is_deleted(
    shop: Path, service: Path, nats_server: NatsServer, jetstream: JetStreamContext, start_worker: StartWorker
) -> None:
    done(shop, "add-handler", "billing", "orders.order.cancelled")
    worker = start_worker(NATS_URL=nats_server.url)
    worker.stop()
    file = service / HANDLERS / "order_cancelled_handler.py"
    rewrite(file, "    logger.info(", "    logger.warning(")

    refused = natsgen(shop, "remove-handler", "billing", "order_cancelled")

    assert refused.returncode == 1
    assert refused.stderr.startswith(f"natsgen: {file}: ")
    assert "--force" in refused.stderr
    assert "logger.warning(" in file.read_text()

    removed = done(shop, "remove-handler", "billing", "order_cancelled", "--force")

    assert git(shop, "status", "--porcelain") == ""
    command = re.search(r"^ +nats consumer rm (\S+) (\S+)$", removed, re.MULTILINE)
    assert command is not None, removed
    stream, durable = command.groups()
    assert (await jetstream.consumer_info(stream, durable)).name == "billing-order_cancelled"
    await jetstream.delete_consumer(stream, durable)
    with pytest.raises(NotFoundError):
        await jetstream.consumer_info(stream, durable)
    start_worker(NATS_URL=nats_server.url)  # which does not make it again
    assert {info.name for info in await jetstream.consumers_info(STREAM)} == {"billing-order_created"}


async def test_a_batch_handler_acknowledges_all_and_loses_nothing_when_it_fails_in_mid_batch(
    shop: Path, service: Path, nats_server: NatsServer, jetstream: JetStreamContext, start_worker: StartWorker
) -> None:
    done(shop, "add-handler", "billing", "orders.order.cancelled", "--batch")
    file = service / HANDLERS / "order_cancelled_handler.py"
    rewrite(file, "        logger.info(", "        await save(event.id)\n        logger.info(")
    rewrite(file, "\n\nclass ", f"\n{FAILS_IN_MID_BATCH}\n\nclass ")

    worker = start_worker(NATS_URL=nats_server.url)
    await publish(jetstream, "orders.order.cancelled", 1_000)
    await until_settled(jetstream, "billing-order_cancelled")

    seen = Counter(one["event_id"] for one in worker.log_records() if one["message"] == "event handled")
    assert seen.keys() == {f"evt_{number}" for number in range(1_000)}
    counts = worker.stats()["subscriptions"]["order_cancelled"]
    assert counts["handled"] == 1_000
    assert counts["retried"] == 1, "the event that failed, and no other of its batch"
    halved = [one for one in worker.log_records() if one["message"] == "batch failed: handling its halves"]
    assert halved[0]["error"] == "RuntimeError: the database is away"
    assert counts["dead_letters"] == {}
    assert (await jetstream.consumer_info(STREAM, "billing-order_cancelled")).ack_floor.stream_seq == 1_000


def rewrite(file: Path, old: str, new: str) -> None:
    """Edits a file in one place, which must be there once."""
    text = file.read_text()
    assert text.count(old) == 1, f"{old!r} is {text.count(old)} times in {file}"
    file.write_text(text.replace(old, new))
