"""How many messages a second: the generated worker and its rivals, on the same messages, in turn."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

from benchmarks.arena import QUICK, Arena, Load, arena, load, rotated, running
from benchmarks.contestants import Start, Worker, rival
from benchmarks.sections import Say
from tests.harness_tools.readiness import wait_ready

WORKER = "natsgen"
PUSH = "nats-py push"
RIVALS: Mapping[str, tuple[str, Mapping[str, str]]] = {
    PUSH: ("push", {}),
    "nats-py fetch(100)": ("fetch", {}),
    "FastStream pull": ("faststream_pull", {}),
    "fsai-nats-app": ("fsai", {}),
    "fsai-nats-app, its log at INFO": ("fsai", {"LOGURU_LEVEL": "INFO"}),
}
LOADS = {
    "150 bytes": load("S150", 150, 200_000),
    "2 KB": load("S2K", 2_048, 100_000),
    "64 KB": load("S64K", 65_536, 8_000),
    "150 bytes, 10 handlers": load("TEN", 150, 200_000, handlers=10),
}
LONGEST = 0.8 if QUICK else 2.5
"""Seconds that one contestant is measured at most; the slow ones do not finish the load."""

Rates = dict[str, list[float]]
"""Messages a second of each contestant, a value for each round."""


def measure_rates(worker: Worker, rivals: Path, folder: Path, rounds: int, say: Say) -> dict[str, Rates]:
    """Return the rates with each of the `LOADS`; `rivals` is the rivals' interpreter."""
    starts: dict[str, Start] = {WORKER: worker.service}
    starts |= {name: partial(rival, script, rivals, settings) for name, (script, settings) in RIVALS.items()}
    return {title: measure_load(starts, wanted, folder, rounds, say) for title, wanted in LOADS.items()}


def measure_load(starts: Mapping[str, Start], wanted: Load, folder: Path, rounds: int, say: Say) -> Rates:
    """Return the rates of contestants with one load, on a server of its own."""

    async def measure() -> Rates:
        async with arena(folder / wanted.name) as here:
            await here.fill(wanted)
            return await _in_turn(here, wanted, starts, folder, rounds, say)

    return asyncio.run(measure())


async def _in_turn(
    here: Arena, wanted: Load, starts: Mapping[str, Start], folder: Path, rounds: int, say: Say
) -> Rates:
    """Have each contestant consume the load in every round, one after the other."""
    rates: Rates = {name: [] for name in starts}
    for number in range(rounds):
        for name in rotated(list(starts), number):
            await here.forget_consumers(wanted.name)
            async with running(starts[name](here.server.url, wanted, folder)):
                rates[name].append(await here.rate(wanted.name, wanted.count, longest=LONGEST))
            say(f"{wanted.name}, round {number + 1}: {name} {rates[name][-1]:,.0f}/s")
    return rates


@contextmanager
def replicas(worker: Worker, count: int, url: str, wanted: Load, folder: Path) -> Iterator[None]:
    """As many replicas of the worker on one consumer; ready when entered."""
    services = [worker.service(url, wanted, folder, f"replica{number}") for number in range(count)]
    with ExitStack() as stack, ThreadPoolExecutor(count) as threads:
        list(threads.map(stack.enter_context, services))
        list(threads.map(wait_ready, services))
        yield
