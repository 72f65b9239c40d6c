"""How long one message takes at a low rate, from its publication to its handler: the worker against bare nats-py."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.arena import QUICK, Arena, Load, arena, load, payload, rotated, running
from benchmarks.contestants import Start
from benchmarks.sections import Say

QUIET = load("QUIET", 150, 0)
MESSAGES, RATE = 300 if QUICK else 1_000, 200.0
UNCOUNTED = 100
"""The first messages of each run, in which everything is done for the first time."""


@dataclass
class Latencies:
    """Milliseconds from publication to handler, a value for each round."""

    p50: list[float] = field(default_factory=list)
    p99: list[float] = field(default_factory=list)


def measure_latency(
    starts: Mapping[str, Start], record: Path, folder: Path, rounds: int, say: Say
) -> dict[str, Latencies]:
    """Return the latencies of contestants that note each message in the file `record`."""

    async def measure() -> dict[str, Latencies]:
        async with arena(folder / QUIET.name) as here:
            await here.fill(QUIET)
            measured = {name: Latencies() for name in starts}
            for number in range(rounds):
                for name in rotated(list(starts), number):
                    times = sorted(await _one_run(here, QUIET, starts[name], record, folder))
                    measured[name].p50.append(statistics.median(times))
                    measured[name].p99.append(times[int(len(times) * 0.99)])
                    say(f"latency, round {number + 1}: {name} {measured[name].p50[-1]:.2f} ms")
            return measured

    return asyncio.run(measure())


async def _one_run(here: Arena, wanted: Load, start: Start, record: Path, folder: Path) -> list[float]:
    await here.forget_consumers(wanted.name)
    await here.jetstream.purge_stream(wanted.name)
    forget_recorded(record)
    async with running(start(here.server.url, wanted, folder)):
        subject = wanted.subjects[0]
        await here.jetstream.publish(subject, _stamped(subject, 0))
        await here.until(wanted.name, 1)
        started = time.perf_counter()
        for number in range(1, MESSAGES):
            await asyncio.sleep(max(0.0, started + number / RATE - time.perf_counter()))  # the pace
            await here.jetstream.publish(subject, _stamped(subject, number))
        await here.until(wanted.name, MESSAGES)
    return [(handled - sent) / 1e6 for sent, handled in recorded(record)[UNCOUNTED:]]


def _stamped(subject: str, number: int) -> bytes:
    return payload(subject, number, text=str(time.monotonic_ns()))


def forget_recorded(record: Path) -> None:
    """Empty the file, which is there from then on."""
    record.write_text("")


def recorded(record: Path) -> list[tuple[int, int]]:
    """Return what a recording handler noted: when each message was sent and when it came, in nanoseconds."""
    lines = (line.split() for line in record.read_text().splitlines())
    return [(int(sent), int(handled)) for sent, handled in lines]
