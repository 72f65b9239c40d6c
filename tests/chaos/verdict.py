"""What came of a row, counted from traces that outlive every fault: the file of records, the effects, the letters."""

from __future__ import annotations

import json
import math
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from nats.aio.msg import Msg
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig

from tests.chaos.handler import EFFECTS

READ_SECONDS = 10.0


class Record(NamedTuple):
    """A line that the handler wrote: `what` is "handled", "started" or "refused", `at` the monotonic time."""

    what: str
    event: str
    key: str
    sequence: int
    replica: str
    at: float


class Letter(NamedTuple):
    """A dead letter: why, and the payload that it keeps."""

    reason: str
    payload: bytes


@dataclass(frozen=True)
class Traces:
    """What a row left: the handler's records, the event of every effect, the dead letters by event."""

    records: list[Record]
    effects: Counter[str]
    letters: dict[str, list[Letter]]


@dataclass(frozen=True)
class Outcome:
    """A row's numbers; times in seconds.

    Attributes:
        published: events that the stream confirmed.
        effects: different events with an effect.
        duplicates: effects that were published once more for the same event.
        again: events that the handler finished once more.
        letters: dead letters.
        lost: confirmed events with neither effect nor dead letter.
        stall: the longest time without a handled event while there was something to handle.
        oldest: the longest time from an event's first offer to the end of its handler.
        peak: the most memory of a worker with a limit, in MiB.
        broken: the promises that did not hold, a sentence each.
    """

    published: int = 0
    effects: int = 0
    duplicates: int = 0
    again: int = 0
    letters: int = 0
    lost: int = 0
    stall: float = 0.0
    oldest: float = 0.0
    peak: float = 0.0
    broken: list[str] = field(default_factory=list)


def read_records(file: Path) -> list[Record]:
    """What the handlers have recorded so far."""
    lines = (line.split() for line in file.read_text().splitlines())
    return [
        Record(what, event, key, int(number), replica, float(at)) for what, event, key, number, replica, at in lines
    ]


async def read_effects(jetstream: JetStreamContext) -> Counter[str]:
    """How often each event's effect is in its stream."""
    count = (await jetstream.stream_info(EFFECTS)).state.messages
    return Counter([json.loads(message.data)["event"] async for message in _read(jetstream, EFFECTS, count)])


async def read_letters(jetstream: JetStreamContext) -> dict[str, list[Letter]]:
    """The dead letters of each event; a payload that did not fit is read from its stream."""
    subjects = (await jetstream.stream_info("DLQ", subjects_filter="dlq.>")).state.subjects or {}
    letters: dict[str, list[Letter]] = defaultdict(list)
    async for message in _read(jetstream, "DLQ", sum(subjects.values()), "dlq.>"):
        headers, payload = message.headers or {}, message.data
        if headers.get("Dlq-Payload") == "original":
            payload = (await jetstream.get_msg(headers["Dlq-Stream"], int(headers["Dlq-Sequence"]))).data or b""
        letters[headers["Dlq-Msg-Id"]].append(Letter(headers["Dlq-Reason"], payload))
    return dict(letters)


async def _read(jetstream: JetStreamContext, stream: str, count: int, subject: str = ">") -> AsyncIterator[Msg]:
    """Yield the first `count` messages of a stream by pulling them, which needs no flow control as pushing does."""
    nothing_to_ack = ConsumerConfig(ack_policy=AckPolicy.NONE, mem_storage=True, num_replicas=1)
    subscription = await jetstream.pull_subscribe(subject, stream=stream, config=nothing_to_ack)
    while count:
        for message in await subscription.fetch(min(count, 1_000), READ_SECONDS):
            count -= 1
            yield message
    await subscription.unsubscribe()


def first_handled(records: Iterable[Record]) -> dict[str, float]:
    """When each event was handled first."""
    first: dict[str, float] = {}
    for record in records:
        if record.what == "handled":
            first[record.event] = min(record.at, first.get(record.event, math.inf))
    return first


def longest_stall(offered: Mapping[str, float], handled: Mapping[str, float], last: str) -> float:
    """The longest time between two handled events while there was something to handle, in seconds.

    An event counts as something to handle from the moment it was offered, so a server that is away counts too. It is
    looked at until the event `last` (the one confirmed last) was handled.
    """
    end = handled.get(last, math.inf)
    offers = sorted(offered[event] for event in handled)
    longest, before = 0.0, -math.inf
    for count, at in enumerate(sorted(at for at in handled.values() if at <= end)):
        # The next offer after `before` counts from its own moment; what was there by then, from `before` on.
        longest = max(longest, at - max(before, offers[count]))
        before = at
    return longest


def out_of_order(records: Iterable[Record]) -> int:
    """How many events were handled for the first time after a later one of the same key."""
    first = first_handled(records)
    latest: dict[str, int] = {}
    count = 0
    sequences = {record.event: (record.key, record.sequence) for record in records}
    for event in sorted(first, key=first.__getitem__):
        key, sequence = sequences[event]
        count += sequence < latest.get(key, -1)
        latest[key] = max(sequence, latest.get(key, -1))
    return count


def wrong_starts(records: Iterable[Record], offered: Mapping[str, float], wanted: int) -> dict[str, int]:
    """The events that were started another number of times than `wanted`, with that number.

    One start less is right if another event killed the worker before the first: that delivery counts as an attempt.
    """
    began: dict[str, list[float]] = defaultdict(list)
    for record in records:
        if record.what == "started":
            began[record.event].append(record.at)
    wrong = {}
    for event, times in began.items():
        others = [at for other, those in began.items() if other != event for at in those]
        killed_before = any(offered[event] < at < min(times) for at in others)
        if len(times) != wanted and not (killed_before and len(times) == wanted - 1):
            wrong[event] = len(times)
    return wrong
