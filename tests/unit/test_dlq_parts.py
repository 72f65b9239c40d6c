"""The parts of `natsgen dlq` that need no server."""

from __future__ import annotations

import asyncio
import io
import json
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from natsgen.dlq import archive, cancelling, command, headers, selection
from natsgen.dlq.archive import whole_file
from natsgen.dlq.bulk import IN_FLIGHT, Tally, each
from natsgen.dlq.command import Stop
from natsgen.dlq.connection import Connection, without_secrets
from natsgen.dlq.letters import Letter, summary_of
from natsgen.dlq.payload import DUMP_MAX, decode
from natsgen.dlq.selection import Selection, groups
from natsgen.errors import ConflictError, GoneError, InputError, LetterError, NatsError, StoppedError
from natsgen.parts import naming

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
RECORD = {
    "id": 7,
    "subject": "dlq.billing.order_created",
    "stored": "2026-03-01T12:00:00.123456+00:00",
    "headers": {"x": ["1", "2"]},
    "payload": "AAE=",
}


def letter(subject: str = "dlq.billing.order_created", *pairs: tuple[str, str]) -> Letter:
    return Letter(7, subject, NOW, pairs, b"x")


def test_headers_are_read_as_they_are_on_the_wire() -> None:
    raw = b"NATS/1.0\r\nx: 1\r\nx:2\r\nnot a header\r\ny: a:b\r\nbroken: \xff\r\n\r\n"
    assert headers.parse(raw) == (("x", "1"), ("x", "2"), ("y", "a:b"), ("broken", "\ufffd"))
    assert headers.parse(b"") == ()


def test_several_values_are_handed_to_the_client() -> None:
    assert list(headers.Outgoing((("x", "1"), ("x", "2"))).items()) == [("x", "1"), ("x", "2")]


def test_a_replay_keeps_where_it_came_from_and_not_its_failure() -> None:
    one = letter(
        "dlq.billing.order_created",
        ("Nats-Msg-Id", "a"),
        ("nats-ttl", "1"),
        ("Dlq-Reason", "exhausted"),
        ("dlq-stack", "s"),
        ("Dlq-Subject", "o.c"),
        ("Dlq-Payload", "original"),
        ("tenant", "acme"),
    )
    assert one.is_with_original
    stamp = ("Nats-Msg-Id", f"replay.7.{int(NOW.timestamp())}")
    assert one.replay_subject() == "replay.billing.order_created"
    assert one.replay_headers(to_handler=True) == (
        ("Dlq-Subject", "o.c"),
        ("tenant", "acme"),
        stamp,
    )
    assert one.replay_headers(to_handler=False) == (("tenant", "acme"), stamp)


@pytest.mark.parametrize("subject", ["dlq.billing", "dlq.a.b.c", "dlq.billing.*", "dlq.a b.c", "dlq..x"])
def test_a_letter_of_no_handler_has_no_replay_subject(subject: str) -> None:
    with pytest.raises(LetterError, match="--to-subject"):
        letter(subject).replay_subject()


@pytest.mark.parametrize("failed_at", ["", "never", "9999-12-31T23:59:59-23:59", "2026-03-01T12:00:00"])
def test_a_letter_has_a_time_whatever_its_header_says(failed_at: str) -> None:
    assert summary_of(1, "dlq.a.b", NOW, {"Dlq-Failed-At": failed_at}, 0).when == NOW


@pytest.mark.parametrize(
    ("chosen", "taken"),
    [
        (Selection(), True),
        (Selection(service="billing", handler="order_created"), True),
        (Selection(service="bill"), False),
        (Selection(reason="invalid"), False),
        (Selection(since=NOW, until=NOW), True),
        (Selection(since=NOW + timedelta(seconds=1)), False),
        (Selection(until=NOW - timedelta(seconds=1)), False),
        (Selection(correlation="c"), True),
        (Selection(correlation=""), False),
    ],
)
def test_a_selection_takes_what_fits_all_of_it(chosen: Selection, taken: bool) -> None:
    found = {"Dlq-Reason": "exhausted", "Correlation-Id": "c"}
    assert chosen.matches(summary_of(1, "dlq.billing.order_created", NOW, found, 0)) is taken
    assert naming.matches(chosen.subject, "dlq.billing.order_created") or not taken


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("2h", NOW - timedelta(hours=2)),
        ("7d", NOW - timedelta(days=7)),
        ("2026-03-01", datetime(2026, 3, 1, tzinfo=UTC)),
        ("2026-03-01T13:00:00+01:00", NOW),
    ],
)
def test_a_time_is_a_date_or_how_long_ago(text: str, meant: datetime) -> None:
    assert selection.time(text, NOW) == meant


@pytest.mark.parametrize("text", ["", "yesterday", "2y", "999999w", "0001-01-01T00:00:00+23:00", "\x1b"])
def test_other_times_are_refused(text: str) -> None:
    with pytest.raises(InputError, match=r"invalid time"):
        selection.time(text, NOW)


@pytest.mark.parametrize("text", ["", "a..b", "a.*", ">", "a b", "$JS.API", "dlq.a.b", "Replay.a", "a\x1b", "a" * 300])
def test_only_a_plain_subject_can_be_replayed_to(text: str) -> None:
    with pytest.raises(InputError):
        selection.plain_subject(text)


@pytest.mark.parametrize(
    ("pattern", "subject", "covers"),
    [
        ("replay.a.b", "replay.a.b", True),
        ("replay.>", "replay.a.b", True),
        ("replay.*.b", "replay.a.b", True),
        (">", "replay.a.b", True),
        ("replay.a.b.>", "replay.a.b", False),
        ("replay.a", "replay.a.b", False),
        ("replay.a.b.c", "replay.a.b", False),
    ],
)
def test_a_filter_covers_a_subject(pattern: str, subject: str, covers: bool) -> None:
    assert naming.matches(pattern, subject) is covers


def test_groups_have_their_oldest_and_newest() -> None:
    times = [NOW, NOW - timedelta(days=1), NOW + timedelta(days=1)]
    (group,) = groups(summary_of(n, "dlq.a.b", when, {}, 0) for n, when in enumerate(times))
    assert (group.count, group.oldest, group.newest) == (3, times[1], times[2])


@pytest.mark.parametrize(
    ("payload", "kind", "lines"),
    [
        (b"", "empty", []),
        (b'{"a":"\xc3\xbc"}', "json", ["{", '  "a": "ü"', "}"]),
        (b"plain\ntext", "text", ["plain", "text"]),
        (b"[" * 100_000, "text", ["[" * 100_000]),
        (b"\x1b[2J", "binary", ["00000000  1b 5b 32 4a" + " " * 36 + "  .[2J"]),
        (b"\xff", "binary", ["00000000  ff" + " " * 45 + "  ."]),
    ],
)
def test_a_payload_is_json_or_text_or_a_dump(payload: bytes, kind: str, lines: list[str]) -> None:
    found = decode(payload)
    assert (found.kind, found.lines, found.rest) == (kind, lines, 0)


def test_a_dump_is_bounded() -> None:
    found = decode(b"\x00" * (DUMP_MAX + 5))
    assert (len(found.lines), found.rest) == (DUMP_MAX // 16, 5)


def test_an_address_is_shown_without_its_password() -> None:
    assert without_secrets("nats://me:secret@host:4223") == "host:4223"
    assert without_secrets("me:secret@[::1]") == "[::1]:4222"


def test_a_record_comes_back_as_it_was_written() -> None:
    (record,) = archive.records(io.BytesIO(json.dumps(RECORD).encode() + b"\n\n"), "f")
    assert (record.headers, record.payload, record.line) == ((("x", "1"), ("x", "2")), b"\x00\x01", 1)
    assert json.loads(record.as_line()) == RECORD


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"id": True}, "invalid id"),
        ({"id": 0}, "invalid id"),
        ({"subject": "replay.a.b"}, "invalid subject"),
        ({"subject": "dlq.>"}, "invalid subject"),
        ({"subject": "dlq.a b"}, "invalid subject"),
        ({"stored": "soon"}, "invalid stored"),
        ({"stored": 5}, "invalid stored"),
        ({"headers": []}, "invalid headers"),
        ({"headers": {"a b": ["x"]}}, "invalid header name"),
        ({"headers": {"a": ["x\r\nEvil: y"]}}, "use text without line breaks"),
        ({"headers": {"a": ["\ud800"]}}, "use text without line breaks"),
        ({"headers": {"a": [1]}}, "use text without line breaks"),
        ({"payload": "not base64!"}, "invalid payload"),
        ({"payload": 3}, "invalid payload"),
        ({"more": 1}, "with exactly the keys"),
    ],
)
def test_a_bad_line_is_named_with_its_number(changed: dict[str, object], said: str) -> None:
    lines = [json.dumps(RECORD), json.dumps({**RECORD, **changed})]
    with pytest.raises(InputError, match=rf"^f, line 2: .*{said}"):
        list(archive.records(io.BytesIO("\n".join(lines).encode()), "f"))


@pytest.mark.parametrize("line", [b"{", b"\xff\xfe", b"[" * 100_000, b"[]", b"null", b"1"])
def test_what_is_no_record_is_refused(line: bytes) -> None:
    with pytest.raises(InputError, match=r"^f, line 1: "):
        list(archive.records(io.BytesIO(line), "f"))


def test_a_file_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "letters.jsonl"
    with suppress(KeyboardInterrupt), whole_file(target) as write:
        write(b"half")
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []
    with whole_file(target) as write:
        write(b"whole")
        assert not target.exists()
    assert (target.read_bytes(), target.stat().st_mode & 0o777) == (b"whole", 0o600)
    with pytest.raises(ConflictError), whole_file(target):
        pass
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"whole"]


async def test_each_counts_what_is_done_gone_and_failed() -> None:
    tally, told = Tally(5), []

    async def work(number: int) -> None:
        if number == 1:
            raise LetterError("bad")
        if number == 2:
            raise GoneError("gone")

    await each(
        range(5), work, tally, Stop(), number=lambda one: one, progress=lambda done, total: told.append((done, total))
    )
    assert (tally.done, tally.gone, tally.failed, tally.settled) == (3, 1, {1: "bad"}, 5)
    assert told == [(done, 5) for done in range(1, 6)]


async def test_an_error_stops_the_rest_and_what_has_begun_is_settled() -> None:
    tally, begun = Tally(1_000), []
    gate = asyncio.Event()

    async def work(number: int) -> None:
        begun.append(number)
        if number == 0:
            gate.set()
            raise NatsError("lost")
        await gate.wait()

    with pytest.raises(NatsError, match="lost"):
        await each(range(1_000), work, tally, Stop(), number=lambda one: one)
    assert tally.done == len(begun) - 1 <= IN_FLIGHT


async def test_work_ends_although_one_cancellation_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """`asyncio.wait_for` of Python 3.11 returns its result instead if both come at once."""

    async def nothing(*_: Any) -> Any:
        return SimpleNamespace(client=SimpleNamespace(close=nothing))

    async def work(_: Connection) -> None:
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        await asyncio.Event().wait()

    settings: Any = None
    monkeypatch.setattr(command, "connect", nothing)
    monkeypatch.setattr(cancelling, "AGAIN_AFTER", 0.05)
    task = asyncio.create_task(command.with_connection(settings, work))
    await asyncio.sleep(0.01)
    task.cancel()

    ended, _ = await asyncio.wait({task}, timeout=5)
    assert ended == {task}
    assert task.cancelled()


async def test_a_wish_to_stop_ends_it_between_two() -> None:
    tally, stop = Tally(1_000), Stop()
    begun: list[int] = []

    async def work(number: int) -> None:
        begun.append(number)
        if number == 10:
            stop.request()
        await asyncio.sleep(0)

    with pytest.raises(StoppedError):
        await each(range(1_000), work, tally, stop, number=lambda one: one, rate=100_000)
    assert 0 < tally.done == len(begun) < 1_000


async def test_a_rate_is_kept_and_a_wish_to_stop_does_not_wait_for_it() -> None:
    async def work(_: int) -> None: ...

    began = time.monotonic()
    await each(range(11), work, Tally(11), Stop(), number=lambda one: one, rate=50)
    assert time.monotonic() - began >= 0.2
    stop = Stop()
    asyncio.get_running_loop().call_later(0.05, stop.request)
    with pytest.raises(StoppedError):
        await each(range(2), work, Tally(2), stop, number=lambda one: one, rate=0.001)
    assert time.monotonic() - began < 100, "and not 1,000 s"
