"""`natsgen dlq` on a real NATS server: nothing is lost and nothing is left, whatever breaks off the command."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from pathlib import Path

from nats.js import JetStreamContext

from natsgen.harness.nats_server import NatsServer
from tests.smoke.letters import counts, fill, headers, make_stream, messages, payload, put, run, run_json, start

COUNT = 1_000
LETTERS = "dlq.billing.order_created"
REPLAYS = "replay.billing.order_created"


async def until_replayed(jetstream: JetStreamContext, number: int, limit: float = 20.0) -> None:
    """Waits until some letters are replayed."""
    deadline = time.monotonic() + limit
    while (await counts(jetstream)).get(REPLAYS, 0) < number:
        assert time.monotonic() < deadline, f"not {number} replayed within {limit} s"
        await asyncio.sleep(0.01)


async def test_1000_letters_are_listed_shown_replayed_at_a_rate_and_purged(
    nats_server: NatsServer, jetstream: JetStreamContext
) -> None:
    await fill(jetstream, COUNT)
    server = ("--server", nats_server.url)

    assert "billing  order_created  exhausted  1,000    2026-03-01T12:00:00Z" in (await off(run, "list", *server))[0]
    listed = await off(run_json, "list", "--ids", "--limit", "2", *server)
    assert (listed["total"], [one["id"] for one in listed["letters"]]) == (COUNT, [999, 1000])
    shown, _ = await off(run, "show", "17", *server)
    for line in ('    "id": "evt_17"', "  ValueError: no such customer", "  correlation ID  corr_8", "  tenant: acme"):
        assert f"{line}\n" in shown
    assert "natsgen dlq list --ids --correlation corr_8" in shown
    assert (await off(run, "show", "17", "--raw", *server))[0] == payload(17).decode()
    same = await off(run_json, "list", "--ids", "--correlation", "corr_8", *server)
    assert [one["id"] for one in same["letters"]] == [16, 17]

    began = time.monotonic()
    first = await off(run_json, "replay", *map(str, range(1, 401)), "--rate", "200", *server)
    assert first["replayed"] == 400
    assert time.monotonic() - began >= 399 / 200
    assert await counts(jetstream) == {LETTERS: 600, REPLAYS: 400}

    assert (await off(run_json, "purge", "--service", "billing", "--yes", *server))["deleted"] == 600
    assert await counts(jetstream) == {REPLAYS: 400}
    assert "no dead letters in stream DLQ" in (await off(run, "list", *server))[1]


async def test_a_replay_is_the_letter_without_its_failure(nats_server: NatsServer, jetstream: JetStreamContext) -> None:
    await fill(jetstream, 1)
    stored = (await jetstream.get_msg("DLQ", 1)).time
    assert stored is not None

    _, said = await off(run, "replay", "1", "--server", nats_server.url)

    (replay,) = await messages(jetstream)
    failure = ("Dlq-Reason", "Dlq-Error-Type", "Dlq-Error", "Dlq-Stack", "Dlq-Attempts", "Dlq-Failed-At", "Nats-Msg-Id")
    kept = {name: value for name, value in headers(1).items() if name not in failure}
    assert (replay.subject, replay.data) == (REPLAYS, payload(1))
    assert replay.headers == {**kept, "Nats-Msg-Id": f"replay.1.{int(stored.timestamp())}"}
    assert f"no consumer for {REPLAYS}" in said


async def test_the_warning_that_nobody_consumes_ends_with_a_consumer(
    nats_server: NatsServer, jetstream: JetStreamContext
) -> None:
    await fill(jetstream, 1)
    await jetstream.add_consumer(
        "DLQ",
        durable_name="billing-order_created-replay",
        filter_subjects=[REPLAYS, f"{REPLAYS}.at.>"],
        ack_policy="explicit",
    )
    document = await off(run_json, "replay", "--all", "--dry-run", "--server", nats_server.url)
    assert (document["warnings"], document["replayed"], document["chosen"]) == ([], 0, 1)
    assert await counts(jetstream) == {LETTERS: 1}


async def test_ctrl_c_leaves_each_letter_either_there_or_replayed(
    nats_server: NatsServer, jetstream: JetStreamContext
) -> None:
    await fill(jetstream, COUNT)
    process = start("replay", "--all", "--rate", "300", "--server", nats_server.url)
    await until_replayed(jetstream, 50)
    process.send_signal(signal.SIGINT)
    _, said = await asyncio.to_thread(process.communicate, timeout=20)

    found = await counts(jetstream)
    assert process.returncode == 130, said
    assert found[LETTERS] + found[REPLAYS] == COUNT
    assert 50 <= found[REPLAYS] < COUNT
    assert f"{found[REPLAYS]} of 1,000 dead letters were replayed" in said
    assert len({(one.headers or {})["Dlq-Msg-Id"] for one in await messages(jetstream)}) == COUNT


async def test_a_lost_connection_loses_nothing_and_the_next_run_leaves_nothing(
    nats_server: NatsServer, jetstream: JetStreamContext
) -> None:
    await fill(jetstream, COUNT)
    process = start("replay", "--all", "--rate", "500", "--server", nats_server.url)
    await until_replayed(jetstream, 50)
    await off(nats_server.kill)
    began = time.monotonic()
    _, said = await asyncio.to_thread(process.communicate, timeout=20)
    assert process.returncode == 1
    assert time.monotonic() - began < 15
    assert "was lost" in said
    assert "of 1,000 dead letters were replayed" in said
    assert said.count("\n") == 2, said  # the note that there is no consumer, and one message

    await off(nats_server.start)
    await off(run, "replay", "--all", "--server", nats_server.url)
    assert await counts(jetstream) == {REPLAYS: COUNT}
    assert len({(one.headers or {})["Dlq-Msg-Id"] for one in await messages(jetstream)}) == COUNT


async def test_letters_that_come_while_it_runs_are_not_picked_up(
    nats_server: NatsServer, jetstream: JetStreamContext
) -> None:
    await fill(jetstream, 200)
    failing = await jetstream.subscribe(REPLAYS, stream="DLQ", durable="failing", manual_ack=True)

    async def fail_again() -> None:
        async for message in failing.messages:
            number = int((message.headers or {})["Dlq-Sequence"])
            await jetstream.publish(LETTERS, message.data, headers=headers(number, Nats_Msg_Id=f"again.{number}"))
            await message.ack()

    handler = asyncio.create_task(fail_again())
    document = await off(run_json, "replay", "--all", "--rate", "400", "--server", nats_server.url)
    deadline = time.monotonic() + 20
    while (await counts(jetstream)).get(LETTERS) != 200:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)
    handler.cancel()

    assert document["replayed"] == 200
    assert await counts(jetstream) == {LETTERS: 200, REPLAYS: 200}


async def test_a_replay_to_a_subject_is_the_original_and_needs_a_stream(
    nats_server: NatsServer, jetstream: JetStreamContext
) -> None:
    await fill(jetstream, 2)
    to_subject = ("--all", "--to-subject", "orders.order.created", "--server", nats_server.url)
    _, said = await off(run, "replay", *to_subject, code=1)
    assert "no stream captures orders.order.created" in said
    assert await counts(jetstream) == {LETTERS: 2}

    await jetstream.add_stream(name="ORDERS", subjects=["orders.>"])
    await off(run, "replay", *to_subject)
    assert await counts(jetstream) == {}
    originals = await messages(jetstream, "ORDERS")
    assert sorted(one.data or b"" for one in originals) == [payload(1), payload(2)]
    assert set(originals[0].headers or {}) == {"tenant", "Correlation-Id", "Nats-Msg-Id"}


async def test_what_a_replay_cannot_send_stays_and_the_others_go(
    nats_server: NatsServer, jetstream: JetStreamContext
) -> None:
    await fill(jetstream, 2)
    await put(jetstream, b"x", [("a", "b")], subject="dlq.of.no.handler")
    document = await off(run_json, "replay", "--all", "--server", nats_server.url, code=1)
    assert (document["replayed"], [one["id"] for one in document["failed"]]) == (2, [3])
    assert await counts(jetstream) == {REPLAYS: 2, "dlq.of.no.handler": 1}


async def test_replays_and_what_else_is_in_the_stream_are_never_touched(
    nats_server: NatsServer, jetstream: JetStreamContext
) -> None:
    await fill(jetstream, 1)
    await jetstream.publish(f"{REPLAYS}.at.1", b"later", headers={"Dlq-Reason": "exhausted"})
    server = ("--server", nats_server.url)
    assert (await off(run_json, "list", *server))["total"] == 1
    for command in (("show", "2"), ("replay", "2"), ("purge", "2", "--yes")):
        _, said = await off(run, *command, *server, code=1)
        assert "message 2 of stream DLQ is not a dead letter" in said
    await off(run, "purge", "--all", "--yes", *server)
    assert await counts(jetstream) == {f"{REPLAYS}.at.1": 1}


async def test_export_and_import_are_lossless(
    nats_server: NatsServer, jetstream: JetStreamContext, tmp_path: Path
) -> None:
    await make_stream(jetstream)
    await jetstream.add_stream(name="ORDERS", subjects=["orders.>"])
    large = bytes(range(256)) * 4_000
    original = await jetstream.publish("orders.order.created", large)
    hostile = [
        ("x", "1"),
        ("x", "2"),
        ("unicode", "\u202e\x1b[31m"),
        ("Dlq-Reason", "rejected"),
    ]
    await put(jetstream, bytes(range(256)), hostile)
    pointer = [("Dlq-Payload", "original"), ("Dlq-Stream", "ORDERS"), ("Dlq-Sequence", str(original.seq))]
    await put(jetstream, b"", [*pointer, ("Dlq-Stack", "z" * 30_000), ("Dlq-Failed-At", "2026-03-01T12:00:00+00:00")])
    await put(jetstream, b"", [])
    server = ("--server", nats_server.url)
    first, second = tmp_path / "first.jsonl", tmp_path / "second.jsonl"

    await off(run, "export", "--output", str(first), *server)
    assert (await off(run_json, "import", str(first), *server))["were_there"] == 3
    await off(run, "purge", "--all", "--yes", *server)
    assert await counts(jetstream) == {}
    for _ in range(2):
        document = await off(run_json, "import", str(first), *server)
    assert (document["imported"], document["were_there"]) == (0, 3)
    await off(run, "export", "--output", str(second), *server)

    def told(file: Path) -> list[dict[str, object]]:
        lines = [json.loads(line) for line in file.read_text().splitlines()]
        own = ("Nats-Msg-Id", "Dlq-Failed-At")
        for line in lines:
            line["headers"] = {name: values for name, values in line["headers"].items() if name not in own}
        return sorted(({k: line[k] for k in ("subject", "headers", "payload")} for line in lines), key=str)

    assert told(first) == told(second)
    assert told(second)[-1]["headers"] != {} or told(second)[0]["headers"] != {}
    assert {"x": ["1", "2"]}.items() <= json.loads(first.read_text().splitlines()[0])["headers"].items()
    # it comes back also where the stream remembers what was removed
    await off(run, "purge", "--all", "--yes", *server)
    assert (await off(run_json, "import", str(first), *server))["imported"] == 3


async def test_hostile_letters_reach_no_terminal_as_they_are(
    nats_server: NatsServer, jetstream: JetStreamContext
) -> None:
    await make_stream(jetstream)
    evil = "\x1b]0;owned\x07\u202e\x9b31m"
    pairs = [("Dlq-Error", evil), ("Dlq-Stack", f"a\\n{evil}"), ("Correlation-Id", evil), ("x", evil)]
    pairs += [("Dlq-Reason", evil), ("Dlq-Failed-At", "9999-99-99"), ("Dlq-Attempts", evil), ("Status", "404")]
    for data in (b"\x1b[2J", evil.encode(), b'{"a": "\\u001b[2J"}', b"[" * 50_000, b'{"n": %s}' % (b"9" * 6_000)):
        await put(jetstream, data, pairs)
    await put(jetstream, b"", [("Dlq-Error", evil)], subject="dlq.a.b.c")
    server = ("--server", nats_server.url)

    told = [await off(run, "list", *server), await off(run, "list", "--ids", *server)]
    told += [await off(run, "show", str(number), *server) for number in range(1, 7)]
    told.append(await off(run, "replay", "--all", "--dry-run", *server))
    for text in (part for both in told for part in both):
        assert {character for character in text if not character.isprintable()} <= {"\n"}
    assert (await off(run_json, "list", *server))["total"] == 6


async def off(function, *arguments, **named):  # type: ignore[no-untyped-def]
    """Runs what would block the loop, on which the test's own connection lives."""
    return await asyncio.to_thread(function, *arguments, **named)
