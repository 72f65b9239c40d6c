"""`make soak`: a worker under steady traffic, what it holds meanwhile, and a section of docs/reliability.md on it."""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from nats.js import JetStreamContext

from natsgen.harness.errors import HarnessError
from natsgen.harness.reaper import temporary_folder
from natsgen.harness.service import GeneratedService
from scripts.documents import RELIABILITY
from tests.chaos.fleet import Fleet, generate_services, python_for
from tests.chaos.handler import DEFAULT_BACKOFF, EFFECTS, TASKS, Options
from tests.chaos.plan import Plan
from tests.chaos.report import versions
from tests.chaos.run import SETTLE_SECONDS, connect, settled
from tests.chaos.traffic import Traffic
from tests.chaos.waiting import until
from tests.chaos.world import make_streams, world

SAMPLE_SECONDS = 2.0
WARM_UP = 0.5
"""The part of the time that is left out, at most five minutes: for four, memory rises in steps, and then is flat."""

WARM_UP_SECONDS = 300.0
INBOX_SECONDS = 60
"""For which the inbox keeps an id. Short, so that the server forgets as much as comes, as it does after a day."""

MOST_MORE = {"memory": 1_024, "descriptors": 2, "tasks": 2}
"""By how much a median may be higher in the last third than in the first; memory in KB.

The system gives memory in steps of 128 KB, so that a slope over minutes says little. Of 20 minutes at 500 events a
second, 300,000 events lie between the two thirds: a leak of four bytes an event is above this.
"""

TITLES = ("resident memory, KB", "file descriptors", "asyncio tasks")
METRICS = {
    "memory": "process_resident_memory_bytes",
    "descriptors": "process_open_fds",
    "tasks": TASKS,
}


@dataclass(frozen=True)
class Sample:
    """What the worker held at one moment: `at` in seconds, `memory` in KB."""

    at: float
    memory: float
    descriptors: float
    tasks: float


@dataclass(frozen=True)
class Soaked:
    """What a soak found; `slope` in KB an hour, `broken` a sentence for each promise that did not hold."""

    published: int
    effects: int
    samples: list[Sample]
    slope: float
    broken: list[str]


async def soak(minutes: float, rate: float, generated: Path, folder: Path) -> Soaked:
    """Publishes for `minutes` at `rate` events a second and looks at the worker every two seconds."""
    async with AsyncExitStack() as stack:
        here = await asyncio.to_thread(
            stack.enter_context, world(folder, cluster=False, proxy=False, consul=False, redis=False)
        )
        client = await connect(here.url)
        stack.push_async_callback(client.close)
        jetstream = client.jetstream()
        await make_streams(jetstream, replicas=1)
        settings = {**here.settings, "DEDUP": "nats-kv", "DEDUP_TTL": str(INBOX_SECONDS)}
        options = Options(ack_wait=30.0, backoff=DEFAULT_BACKOFF)
        fleet = await asyncio.to_thread(Fleet, generated, folder, options, 1, settings)
        stack.callback(fleet.kill_all)
        await fleet.start()
        samples: list[Sample] = []
        sampling = asyncio.create_task(_sample(fleet.workers[0], samples))
        published = await _publish(jetstream, minutes, rate)
        if sampling.done():
            sampling.result()  # raises what ended it
        sampling.cancel()
        await until(lambda: settled(jetstream), limit=SETTLE_SECONDS, what="everything to be settled")
        effects = (await jetstream.stream_info(EFFECTS)).state.messages
        await fleet.stop()
    return judge(published, effects, samples)


def judge(published: int, effects: int, samples: Sequence[Sample]) -> Soaked:
    """The numbers, without those of the warm-up, and what of them must not be."""
    begin = samples[0].at + min((samples[-1].at - samples[0].at) * WARM_UP, WARM_UP_SECONDS)
    warm = [sample for sample in samples if sample.at >= begin]
    slope = statistics.linear_regression([s.at / 3600 for s in warm], [s.memory for s in warm]).slope
    broken = []
    if effects != published:
        broken.append(f"{published} events were published, and {effects} have an effect")
    for name, most in MOST_MORE.items():
        if (more := _growth(warm, name)) > most:
            broken.append(f"{name} grew by {more:,.0f}; the limit is {most:,}")
    return Soaked(published, effects, warm, slope, broken)


def _growth(samples: Sequence[Sample], name: str) -> float:
    """By how much the median is higher in the last third than in the first."""
    values = [getattr(sample, name) for sample in samples]
    third = max(len(values) // 3, 1)
    return statistics.median(values[-third:]) - statistics.median(values[:third])


async def _publish(jetstream: JetStreamContext, minutes: float, rate: float) -> int:
    """A plan after the other, so that what is to come takes no memory here; the number of confirmed events."""
    confirmed, deadline, seed = 0, time.monotonic() + minutes * 60, 0
    while (left := deadline - time.monotonic()) > 1:
        seed += 1
        traffic = Traffic(jetstream, Plan(max(int(rate * min(left, 60)), 1), seed, {}, max_attempts=5), rate)
        traffic.end()  # there is no fault to wait for
        await traffic.run()
        confirmed += len(traffic.confirmed)
    return confirmed


async def _sample(worker: GeneratedService, samples: list[Sample]) -> None:
    while True:
        metrics = await asyncio.to_thread(worker.metrics)
        if missing := [name for name in METRICS.values() if name not in metrics]:
            raise HarnessError(f"the worker's /metrics has no {', '.join(missing)}")
        memory, descriptors, tasks = (metrics[name] for name in METRICS.values())
        samples.append(Sample(time.monotonic(), memory / 1024, descriptors, tasks))
        await asyncio.sleep(SAMPLE_SECONDS)


def section(soaked: Soaked, minutes: float, rate: float, python: Path) -> str:
    """The section of docs/reliability.md; `python` is the interpreter that the worker ran with."""
    rows = [
        f"| {title} | {min(values):,.0f} | {max(values):,.0f} | {_growth(soaked.samples, name):,.0f} | {most:,} |"
        for (name, most), title in zip(MOST_MORE.items(), TITLES, strict=True)
        for values in [[getattr(sample, name) for sample in soaked.samples]]
    ]
    about = versions(python)
    lines = [
        "## Soak",
        "",
        f"`make soak MINUTES={minutes:g} RATE={rate:g}`: {soaked.published:,} events, {soaked.effects:,} effects.",
        "One worker with `DEDUP=nats-kv` and `concurrency=10`.",
        f"After the warm-up, memory grew by {soaked.slope:,.0f} KB an hour.",
        "",
        "| after the warm-up | least | most | growth | limit |",
        "|---|--:|--:|--:|--:|",
        *rows,
        "",
        f"Peak memory of each minute, KB: {'; '.join(f'{most:,.0f}' for most in _each_minute(soaked.samples))}.",
        "",
        f"The first {WARM_UP:.0%} of the time (at most {WARM_UP_SECONDS / 60:g} minutes) is the warm-up. *Growth* is",
        "the median of the last third of the rest, minus that of its first third. The system allocates memory in steps",
        "of 128 KB.",
        "",
        *(f"Not held: {promise}\n" for promise in soaked.broken),
        f"{datetime.now(UTC).date().isoformat()}; nats-server {about['server']}, nats-py {about['client']}, "
        f"Python {about['python']}, {about['machine']}.",
    ]
    return "\n".join(lines)


def _each_minute(samples: Sequence[Sample]) -> list[float]:
    """The most memory of each minute."""
    most: dict[int, float] = defaultdict(float)
    for sample in samples:
        minute = int((sample.at - samples[0].at) / 60)
        most[minute] = max(most[minute], sample.memory)
    return list(most.values())


def main() -> int:
    """Exit code 0 when every promise held, 1 when one did not."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--rate", type=float, default=500.0, help="events a second")
    wanted = parser.parse_args()
    with temporary_folder("natsgen-soak-") as folder:
        generated = generate_services(folder / "workspace")
        soaked = asyncio.run(soak(wanted.minutes, wanted.rate, generated, folder))
        text = section(soaked, wanted.minutes, wanted.rate, python_for(generated))
    print(text)
    RELIABILITY.write_section("soak", text)
    print(f"\nwritten: {RELIABILITY.file}")
    return 1 if soaked.broken else 0


if __name__ == "__main__":
    sys.exit(main())
