"""Dead letters of a generated worker, replayed to it by the command."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from nats.js import JetStreamContext

from natsgen.harness.nats_server import NatsServer
from natsgen.harness.service import GeneratedService
from natsgen.harness.waiting import wait_until
from tests.smoke.conftest import SUBJECT, StartWorker
from tests.smoke.letters import counts, messages, run, run_json

# One folder runs as two services, of which one fails until it is repaired.
HANDLER = f"""
from pathlib import Path

from src.config import settings
from src.infrastructure.errors import Reject
from src.infrastructure.subscription import Message, subscriber
from src.utils.logging import logger

@subscriber("{SUBJECT}")
async def handle_order_created(event: bytes, message: Message) -> None:
    if settings.SERVICE_NAME == "billing" and not Path("repaired").exists():
        raise Reject("not today")
    logger.info("seen", subject_seen=message.subject, id_seen=message.id, size=len(event))
"""
LARGE = b"x" * (1024 * 1024 - 380)  # the server takes it with the headers of a replay, and not with those of a letter


def seen(worker: GeneratedService) -> list[tuple[str, str, int]]:
    """Subject, id and size of what the handler has handled."""
    records = [record for record in worker.log_records() if record["message"] == "seen"]
    return [(one["subject_seen"], one["id_seen"], one["size"]) for one in records]


async def test_a_replay_reaches_only_the_failing_handler_of_two_services(
    nats_server: NatsServer,
    jetstream: JetStreamContext,
    start_worker: StartWorker,
    write_handler: Callable[[str], None],
    service: Path,
) -> None:
    write_handler(HANDLER)
    billing = start_worker("billing", NATS_URL=nats_server.url)
    audit = start_worker("audit", NATS_URL=nats_server.url, SERVICE_NAME="audit")
    await jetstream.publish(SUBJECT, b"small", headers={"Nats-Msg-Id": "evt_1"})
    await jetstream.publish(SUBJECT, LARGE)
    await asyncio.to_thread(
        wait_until,
        lambda: len(run_json("list", "--ids", "--server", nats_server.url)["letters"]) == 2 and len(seen(audit)) == 2,
        limit=30,
        what="both letters, and both messages at the other service",
    )
    listed = await asyncio.to_thread(run_json, "list", "--ids", "--server", nats_server.url)
    assert [bool(one["is_with_original"]) for one in listed["letters"]] == [False, True]
    assert {(one["service"], one["reason"]) for one in listed["letters"]} == {("billing", "rejected")}

    (service / "repaired").touch()
    _, said = await asyncio.to_thread(run, "replay", "--all", "--server", nats_server.url)
    await asyncio.to_thread(wait_until, lambda: len(seen(billing)) == 2, limit=30, what="the replays to be handled")

    assert "no consumer for" not in said
    assert sorted(one[0] for one in seen(billing)) == [SUBJECT, SUBJECT]
    assert {(id_seen, size) for _, id_seen, size in seen(billing)} >= {("evt_1", 5)}
    assert {size for _, _, size in seen(billing)} == {5, len(LARGE)}
    assert len(seen(audit)) == 2
    limit = asyncio.get_running_loop().time() + 20
    while await counts(jetstream):
        assert asyncio.get_running_loop().time() < limit, "the replays were left"
        await asyncio.sleep(0.05)


async def test_what_fails_again_is_a_new_letter(
    nats_server: NatsServer,
    jetstream: JetStreamContext,
    start_worker: StartWorker,
    write_handler: Callable[[str], None],
) -> None:
    write_handler(HANDLER)
    start_worker("billing", NATS_URL=nats_server.url)
    await jetstream.publish(SUBJECT, b"small", headers={"Nats-Msg-Id": "evt_1"})

    def ids() -> list[int]:
        return [one["id"] for one in run_json("list", "--ids", "--server", nats_server.url)["letters"]]

    await asyncio.to_thread(wait_until, ids, limit=60, what="the letter")
    (first,) = await asyncio.to_thread(ids)
    await asyncio.to_thread(run, "replay", str(first), "--server", nats_server.url)
    await asyncio.to_thread(
        wait_until, lambda: [one for one in ids() if one != first], limit=60, what="the letter of the replay"
    )
    letters = [one for one in await messages(jetstream) if (one.subject or "").startswith("dlq.")]
    assert [(one.headers or {})["Dlq-Msg-Id"] for one in letters] == ["evt_1"]
    assert [(one.headers or {})["Dlq-Subject"] for one in letters] == [SUBJECT]
