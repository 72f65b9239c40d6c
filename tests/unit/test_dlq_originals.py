"""A payload that did not fit into its letter is read where the message was first, on a real server."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import nats
import pytest
from nats.js import JetStreamContext

from natsgen.dlq import bulk
from natsgen.dlq.letters import summary_of
from natsgen.errors import GoneError
from natsgen.harness.nats_server import NatsServer
from tests.smoke.letters import run_here

LETTERS, REPLAYS = "dlq.billing.order_created", "replay.billing.order_created"
BIG = json.dumps({"text": "x" * 1_000_000}).encode()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[NatsServer]:
    with NatsServer(tmp_path / "nats") as server:
        yield server


@pytest.fixture
async def jetstream(server: NatsServer) -> AsyncIterator[JetStreamContext]:
    client = await nats.connect(server.url)
    jetstream = client.jetstream()
    await jetstream.add_stream(name="DLQ", subjects=["dlq.>", "replay.>"])
    await jetstream.add_stream(name="ORDERS", subjects=["orders.>"])
    yield jetstream
    await client.close()


async def letter(jetstream: JetStreamContext, **changed: str) -> int:
    """An original in its stream, and the letter that points to it; the letter's ID."""
    stored = await jetstream.publish("orders.order.created", BIG, headers={"tenant": "acme"})
    kept = await jetstream.get_msg("ORDERS", stored.seq)
    assert kept.time is not None
    headers = {
        "tenant": "acme",
        "Dlq-Reason": "exhausted",
        "Dlq-Error": "no such customer",
        "Dlq-Subject": "orders.order.created",
        "Dlq-Stream": "ORDERS",
        "Dlq-Sequence": str(stored.seq),
        "Dlq-Stored-At": str(kept.time.timestamp()),
        "Dlq-Payload": "original",
        **{name.replace("_", "-"): value for name, value in changed.items()},
    }
    return (await jetstream.publish(LETTERS, b"", headers=headers)).seq


async def dlq(server: NatsServer, *words: str, code: int = 0) -> str:
    """Runs the command; what it says."""
    return await asyncio.to_thread(run_here, *words, "--server", server.url, code=code)


async def test_it_is_shown_as_if_it_were_in_the_letter(server: NatsServer, jetstream: JetStreamContext) -> None:
    number = str(await letter(jetstream))
    assert f"{len(BIG)} bytes, with the original message" in await dlq(server, "show", number)
    assert await dlq(server, "show", number, "--raw") == BIG.decode()
    (listed,) = json.loads(await dlq(server, "list", "--ids", "--json"))["letters"]
    assert (listed["is_with_original"], listed["size"]) == (True, 0)


@pytest.mark.parametrize("subject", [None, "audit.order.created"])
async def test_it_is_replayed_and_the_original_stays(
    server: NatsServer, jetstream: JetStreamContext, subject: str | None
) -> None:
    await jetstream.add_stream(name="AUDIT", subjects=["audit.>"])
    number = str(await letter(jetstream))
    await dlq(server, "replay", number, *(("--to-subject", subject) if subject else ()))
    replayed = await jetstream.get_last_msg("AUDIT" if subject else "DLQ", subject or REPLAYS)
    assert replayed.data == BIG
    assert "Dlq-Payload" not in (replayed.headers or {})
    assert (replayed.headers or {}).get("tenant") == "acme"
    assert (await jetstream.stream_info("ORDERS")).state.messages == 1
    assert not (await jetstream.stream_info("DLQ", subjects_filter=LETTERS)).state.subjects


@pytest.mark.parametrize("how", ["deleted", "no stream", "another", "recreated", "nowhere", "hostile"])
async def test_an_original_that_is_gone_is_told(server: NatsServer, jetstream: JetStreamContext, how: str) -> None:
    changed = {
        "another": {"Dlq_Subject": "orders.order.paid"},
        "recreated": {"Dlq_Stored_At": str(datetime(2020, 1, 1, tzinfo=UTC).timestamp())},
        "nowhere": {"Dlq_Sequence": ""},
        "hostile": {"Dlq_Stream": "ORDERS.>"},
    }
    number = str(await letter(jetstream, **changed.get(how, {})))
    if how == "deleted":
        await jetstream.delete_msg("ORDERS", 1)
    elif how == "no stream":
        await jetstream.delete_stream("ORDERS")
    said = await dlq(server, "replay", number, code=1)
    if how in ("nowhere", "hostile"):
        assert "with the original message, but its headers do not say where that is" in said
    else:
        assert "its payload is gone: it was too large for the letter, and message 1 of stream ORDERS is" in said
    assert (await jetstream.stream_info("DLQ")).state.messages == 1
    assert "Payload:" in await dlq(server, "show", number)


async def test_it_is_exported_whole_and_imported_where_the_original_is(
    server: NatsServer, jetstream: JetStreamContext, tmp_path: Path
) -> None:
    await letter(jetstream)
    file = tmp_path / "letters.jsonl"
    await dlq(server, "export", "--output", str(file))
    record = json.loads(file.read_text())
    assert base64.b64decode(record["payload"]) == BIG

    await jetstream.purge_stream("DLQ")
    await dlq(server, "import", str(file))
    imported = await jetstream.get_last_msg("DLQ", LETTERS)
    assert imported.data == BIG  # it fits without the stack that a worker's letter has
    assert "Dlq-Payload" not in (imported.headers or {})


async def test_what_fits_into_no_letter_is_imported_only_where_its_original_is(
    server: NatsServer, jetstream: JetStreamContext, tmp_path: Path
) -> None:
    global_limit = 1_048_576
    await letter(jetstream, Dlq_Stack="s" * (global_limit - len(BIG) - 100))
    file = tmp_path / "letters.jsonl"
    await dlq(server, "export", "--output", str(file))
    await jetstream.purge_stream("DLQ")
    await dlq(server, "import", str(file))
    imported = await jetstream.get_last_msg("DLQ", LETTERS)
    assert (imported.data or b"", (imported.headers or {}).get("Dlq-Payload")) == (b"", "original")

    await jetstream.purge_stream("DLQ")
    await jetstream.delete_msg("ORDERS", 1)
    said = await dlq(server, "import", str(file), code=1)
    assert "its payload is gone: it was too large for the letter" in said


async def test_a_letter_that_took_the_place_of_another_is_not_removed() -> None:
    """The stream was deleted and has filled again since the letters were listed."""
    listed = summary_of(3, LETTERS, datetime.now(UTC) - timedelta(minutes=1), {}, 0)

    class Anew:
        async def api(self, subject: str, request: dict[str, object]) -> object:
            assert subject == "STREAM.MSG.GET.DLQ", "nothing is deleted"
            return {"message": {"subject": LETTERS, "time": datetime.now(UTC).isoformat()}}

    with pytest.raises(GoneError, match="dead letter 3 is now a different one"):
        await bulk.remove(Anew(), listed)  # type: ignore[arg-type]
