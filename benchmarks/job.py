"""The section `job` of docs/performance.md: one realistic job, as different people would write it.

Validate an event, deduplicate it in Redis, log one line, publish one event and await its confirmation, acknowledge.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from nats.aio.msg import Msg
from nats.js.api import StorageType, StreamConfig

from benchmarks import handlers
from benchmarks.arena import QUICK, WARM_UP, Arena, Load, arena, load, payload, rotated, running
from benchmarks.contestants import HERE, IMPORTABLE, Start, Worker, emptied, generate, rival
from benchmarks.figures import ratio, spread, table
from benchmarks.sections import REQUIREMENTS, Say, draw_rates, run
from benchmarks.worker_lifetime import resident
from natsgen.harness.environment import environment_for
from natsgen.harness.processes import ManagedProcess
from natsgen.harness.service import GeneratedService
from tests.harness_tools.redis_server import RedisServer
from tests.harness_tools.versions import installed_versions, machine, nats_server_version

ROUNDS = 3
LONGEST = 1.5 if QUICK else 5.0
"""Seconds that one contestant's throughput is measured at most."""

PACED_SECONDS = 2.0 if QUICK else 6.0
PLOT = Path("docs/performance-job.svg")
WORKER, BARE, FASTSTREAM, TASKIQ = "natsgen", "nats-py", "FastStream", "Taskiq on Redis streams"
BACKLOG = load("JOB", 150, 60_000)
TASKS = max(BACKLOG.count // 6, 2 * WARM_UP)
"""Of Taskiq, which takes longer to enqueue one than the others take to handle it."""

PACED = load("PACED", 150, 0)

TEXT = """\
## A realistic job

Validate an event with pydantic, deduplicate it in Redis (a claim with a lease before the work, a mark after it), log a
line of JSON, publish one event and await its confirmation, acknowledge. Up to 100 messages at a time, one process each,
with a server each of NATS and Redis:

- *natsgen*: the generated worker with `DEDUP=redis` and `concurrency=100`.
- *nats-py*: bare nats-py, redis-py and logging, written with care: `fetch(100)`, then all together.
- *FastStream*: its pull subscriber with 100 workers, and the deduplication as a middleware. Its own log is off.
- *Taskiq on Redis streams*: its natural broker. Its own log is off, and a claim that it meets is not retried.

A latency is the time from the publication of an event to that of what the job publishes, at half of the contestant's
own rate. Medians of {rounds} rounds with the range; ratios are made within each round.

![What a message costs](performance-job.svg)

{figures}

{date}; nats-server {server}, nats-py {client}, FastStream {faststream}, Taskiq {taskiq}, Python {python}, {machine}.
`make bench` repeats it, `python -m benchmarks.job` this section.
"""


@dataclass
class Figures:
    """A value for each round: messages a second, processor seconds for 100,000, milliseconds, megabytes."""

    rate: list[float] = field(default_factory=list)
    cost: list[float] = field(default_factory=list)
    p99: list[float] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)


def measure(rounds: int, say: Say) -> dict[str, Figures]:
    """Return the figures of each contestant."""
    with tempfile.TemporaryDirectory(prefix="natsgen-bench-") as name:
        folder = Path(name)
        rivals = environment_for(REQUIREMENTS)
        with RedisServer(folder / "redis") as redis:
            told = {"BENCH_REDIS": redis.url}
            worker = replace(
                Worker(generate(folder / "workspace")),
                handler=handlers.JOB,
                options=", concurrency=100",
                settings={"DEDUP": "redis", "REDIS_URL": redis.url},
            )
            starts: dict[str, Start] = {
                WORKER: worker.service,
                BARE: partial(rival, "job_nats", rivals, told),
                FASTSTREAM: partial(rival, "job_faststream", rivals, told),
                TASKIQ: partial(_taskiq, rivals, told),
            }
            starts = {contestant: emptied(redis, start) for contestant, start in starts.items()}
            return asyncio.run(_in_turn(starts, folder, rounds, say))


def _taskiq(
    python: Path, told: Mapping[str, str], url: str, wanted: Load, folder: Path
) -> AbstractContextManager[ManagedProcess]:
    """Taskiq, whose tasks are enqueued in Redis first."""
    events = "\n".join(payload(wanted.subjects[0], number, wanted.size).decode() for number in range(TASKS))
    subprocess.run(
        [python, HERE / "rivals" / "job_taskiq.py", "enqueue"],
        input=events,
        text=True,
        check=True,
        env={**os.environ, **IMPORTABLE, **told},
    )
    return rival("job_taskiq", python, told, url, wanted, folder)


async def _in_turn(starts: Mapping[str, Start], folder: Path, rounds: int, say: Say) -> dict[str, Figures]:
    measured = {name: Figures() for name in starts}
    async with arena(folder / "JOB") as here:
        await here.fill(BACKLOG)
        await here.fill(PACED)
        for number in range(rounds):
            for name in rotated(list(starts), number):
                found = measured[name]
                most = TASKS if name == TASKIQ else BACKLOG.count // 3
                await _forget(here)
                async with running(starts[name](here.server.url, BACKLOG, folder)) as contestant:
                    await _throughput(here, _process(contestant), most, found)
                if name != TASKIQ:  # which is not fed by NATS
                    await _forget(here)
                    async with running(starts[name](here.server.url, PACED, folder)):
                        found.p99.append(await _latency(here, found.rate[-1] / 2))
                say(f"job, round {number + 1}: {name} {found.rate[-1]:,.0f}/s, {found.cost[-1]:.1f} s for 100,000")
    return measured


async def _forget(here: Arena) -> None:
    """Have the next contestant begin anew, and publish to an empty stream."""
    for wanted in (BACKLOG, PACED):
        await here.forget_consumers(wanted.name)
    await here.jetstream.purge_stream(PACED.name)
    await here.forget_stream("DONE")
    await here.jetstream.add_stream(StreamConfig(name="DONE", subjects=["done.>"], storage=StorageType.MEMORY))


async def _done(here: Arena) -> int:
    return (await here.jetstream.stream_info("DONE")).state.messages


def _process(contestant: object) -> ManagedProcess:
    process = contestant.process if isinstance(contestant, GeneratedService) else contestant
    assert isinstance(process, ManagedProcess)
    return process


async def _throughput(here: Arena, process: ManagedProcess, most: int, found: Figures) -> None:
    async with asyncio.timeout(60):
        while await _done(here) < WARM_UP:  # noqa: ASYNC110 (the server is asked)
            await asyncio.sleep(0.05)
    began, first, used = time.perf_counter(), await _done(here), _processor_seconds(process.pid)
    done = first
    while time.perf_counter() - began < LONGEST and done < most:
        await asyncio.sleep(0.05)
        done = await _done(here)
    handled = done - first
    found.rate.append(handled / (time.perf_counter() - began))
    found.cost.append((_processor_seconds(process.pid) - used) / handled * 100_000)
    found.memory.append(resident(process.pid))


def _processor_seconds(pid: int) -> float:
    user, system = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


async def _latency(here: Arena, rate: float) -> float:
    """Return the milliseconds from publication to effect that 99 % of events stay below, at `rate` events a second."""
    took: list[float] = []

    async def receive(message: Msg) -> None:
        took.append((time.monotonic_ns() - int(json.loads(message.data)["text"])) / 1e6)

    subscription = await here.client.subscribe("done.item", cb=receive)
    began, sent = time.perf_counter(), 0
    while (passed := time.perf_counter() - began) < PACED_SECONDS:
        while sent < passed * rate:
            event = payload(PACED.subjects[0], sent, text=str(time.monotonic_ns()))
            await here.client.publish(PACED.subjects[0], event)
            sent += 1
        await asyncio.sleep(0.002)
    async with asyncio.timeout(30):
        while len(took) < sent:  # noqa: ASYNC110 (messages are counted)
            await asyncio.sleep(0.02)
    await subscription.unsubscribe()
    late = sorted(took[len(took) // 4 :])  # without its start
    return late[int(len(late) * 0.99)]


def section(measured: Mapping[str, Figures], rounds: int) -> str:
    """Return the section in Markdown."""
    ours = measured[WORKER].rate
    rows = [
        (
            name,
            spread(found.rate).text(",.0f"),
            ratio(ours, found.rate).text(),
            spread(found.p99).text(".1f") if found.p99 else "",
            spread(found.cost).text(".1f"),
            spread(found.memory).text(".0f"),
        )
        for name, found in measured.items()
    ]
    head = ("", "messages a second", "natsgen against it", "p99, ms", "CPU seconds for 100,000", "memory, MB")
    return TEXT.format(
        rounds=rounds, figures=table(head, rows), date=datetime.now(UTC).date().isoformat(), **_versions()
    )


def _versions() -> dict[str, str]:
    python, client, faststream, taskiq = installed_versions(
        environment_for(REQUIREMENTS), "nats-py", "faststream", "taskiq"
    )
    return {
        "server": nats_server_version(),
        "client": client,
        "faststream": faststream,
        "taskiq": taskiq,
        "python": python,
        "machine": machine(),
    }


def draw(measured: Mapping[str, Figures]) -> None:
    """Draw the rates and the costs."""
    rates = {name: found.rate for name, found in measured.items()}
    costs = {name: found.cost for name, found in measured.items()}
    draw_rates(PLOT, {"messages a second": rates, "CPU seconds for 100,000": costs}, "median, range")


if __name__ == "__main__":
    run("job", __doc__, ROUNDS, measure, section, draw)
