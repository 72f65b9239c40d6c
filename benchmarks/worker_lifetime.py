"""Starting, stopping and memory of the generated worker."""

from __future__ import annotations

import asyncio
import os
import resource
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from benchmarks import handlers
from benchmarks.arena import QUICK, Load, arena, load, payload, rotated, running
from benchmarks.contestants import Start, Worker
from benchmarks.sections import Say
from benchmarks.worker_latency import forget_recorded, recorded
from natsgen.harness.commands import run
from natsgen.harness.waiting import wait_until
from tests.harness_tools.readiness import wait_ready

ONE = load("ONE", 150, 0)
MANY = load("MANY", 150, 200_000)
BACKLOGS = {"1,000": load("FEW", 150, 1_000), "100,000": load("BACKLOG", 150, 100_000)}
"""Messages that wait while a slow handler works."""

HANDLED_OF_BACKLOG = 50 if QUICK else 100
MEGABYTE = 1_048_576
IMPORTED = """
import sys
from pathlib import Path

import nats
import src.main

packages = str(Path(nats.__file__).parents[1])
names = [name for name, module in sys.modules.items() if str(getattr(module, "__file__", "")).startswith(packages)]
print(",".join(names))
"""


@dataclass
class Memory:
    """Resident megabytes, a value for each round: idle, after `MANY`, and with each of `BACKLOGS` waiting.

    `with_consul` is after `MANY` too, with the client that looks for a Consul.
    """

    idle: list[float] = field(default_factory=list)
    after_many: list[float] = field(default_factory=list)
    with_consul: list[float] = field(default_factory=list)
    backlog: dict[str, list[float]] = field(default_factory=lambda: {size: [] for size in BACKLOGS})


def imports_of(worker: Worker) -> str:
    """Return the modules of other people's packages that the worker imports, for `BENCH_IMPORTS`."""
    settings = {**os.environ, **worker.settings_for("nats://127.0.0.1")}
    return run([worker.python, "-c", IMPORTED], limit=60, folder=worker.generated, environment=settings).output.strip()


def measure_starts(
    starts: Mapping[str, Start], record: Path, folder: Path, rounds: int, say: Say
) -> dict[str, list[float]]:
    """Return the seconds from the start of a process to its first handled message, which it notes in `record`."""

    async def measure() -> dict[str, list[float]]:
        seconds: dict[str, list[float]] = {name: [] for name in starts}
        async with arena(folder / ONE.name) as here:
            await here.fill(ONE)
            await here.jetstream.publish(ONE.subjects[0], payload(ONE.subjects[0], 0, text="0"))
            for number in range(-1, rounds):  # the first round only warms up: bytecode, the disk's cache
                for name in rotated(list(starts), number):
                    await here.forget_consumers(ONE.name)
                    forget_recorded(record)
                    contestant = starts[name](here.server.url, ONE, folder)
                    began = time.monotonic_ns()
                    async with running(contestant):
                        handled = await asyncio.to_thread(_first_handled, record)
                    if number >= 0:
                        seconds[name].append((handled - began) / 1e9)
                        say(f"start, round {number + 1}: {name} {seconds[name][-1]:.2f} s")
        return seconds

    return asyncio.run(measure())


def _first_handled(record: Path) -> int:
    return wait_until(lambda: recorded(record)[0], limit=30, what="the first message to be handled")[1]


def measure_stops(worker: Worker, folder: Path, rounds: int, say: Say) -> list[float]:
    """Return the seconds from SIGTERM to the end of an idle worker's process."""

    async def measure() -> list[float]:
        seconds = []
        async with arena(folder / "STOP") as here:
            idle = replace(ONE, name="IDLE", subjects=("idle.item.event0",))
            await here.fill(idle)
            for number in range(rounds):
                service = worker.service(here.server.url, idle, folder)
                await asyncio.to_thread(service.start)
                await asyncio.to_thread(wait_ready, service)
                stopped = await asyncio.to_thread(service.stop)
                seconds.append(stopped.seconds)
                say(f"stop, round {number + 1}: {stopped.seconds:.3f} s")
        return seconds

    return asyncio.run(measure())


def measure_memory(worker: Worker, folder: Path, rounds: int, say: Say) -> Memory:
    """Return what the worker holds when idle, after `MANY`, and while many messages wait for a slow handler."""

    async def measure() -> Memory:
        memory = Memory()
        slow = replace(worker, handler=handlers.SLOW)
        with_consul = replace(worker, settings={"CONSUL_ENABLED": "true"})
        async with arena(folder / "MEMORY") as here:
            await here.fill(ONE)
            await here.fill(MANY)
            for backlog in BACKLOGS.values():
                await here.fill(backlog)

            async def held(which: Worker, wanted: Load, handled: int) -> float:
                await here.forget_consumers(wanted.name)
                async with running(which.service(here.server.url, wanted, folder)) as service:
                    await asyncio.to_thread(wait_ready, service)
                    await here.until(wanted.name, handled)
                    return resident(service.process.pid)

            for number in range(rounds):
                memory.idle.append(await held(worker, ONE, 0))
                memory.after_many.append(await held(worker, MANY, MANY.count))
                memory.with_consul.append(await held(with_consul, MANY, MANY.count))
                for size, backlog in BACKLOGS.items():
                    memory.backlog[size].append(await held(slow, backlog, HANDLED_OF_BACKLOG))
                say(f"memory, round {number + 1}: {memory.after_many[-1]:.1f} MB after {MANY.count:,}")
        return memory

    return asyncio.run(measure())


def resident(pid: int) -> float:
    """Return a process's resident megabytes, as the system says: asking the worker would take memory too."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * resource.getpagesize() / MEGABYTE
