"""Runs one row: the world, the workers, the traffic, the fault, and the verdict."""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import nats
from nats.aio.client import Client
from nats.js import JetStreamContext

from natsgen.harness.errors import WaitTimeout
from tests.chaos.fleet import Fleet
from tests.chaos.handler import DURABLE, STREAM
from tests.chaos.plan import Plan
from tests.chaos.promises import judge
from tests.chaos.rows import Row
from tests.chaos.traffic import Traffic
from tests.chaos.verdict import Letter, Outcome, Traces, read_effects, read_letters, read_records
from tests.chaos.waiting import patiently, until
from tests.chaos.world import World, make_streams, world

SHORT = 2_000
"""Events of the short form."""

SETTLE_SECONDS = 90.0
"""How long the workers may take, after the traffic and its backlog, for what came to them late."""

TRAFFIC_SECONDS = 600.0
"""How long the traffic may take, fault included."""


@dataclass
class Run:
    """A row that runs; what a fault may touch."""

    row: Row
    short: bool
    world: World
    fleet: Fleet
    traffic: Traffic
    plan: Plan
    jetstream: JetStreamContext
    random: random.Random
    letters_before: dict[str, list[Letter]] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)

    def moments(self, count: int, last: float = 0.75) -> list[float]:
        """As many moments of the traffic (0 to 1), one in each equal part of what is from 0.125 to `last`."""
        part = (last - 0.125) / count
        return [0.125 + (number + self.random.random()) * part for number in range(count)]

    async def lasts(self, seconds: float) -> None:
        """For so long the fault goes on."""
        await asyncio.sleep(seconds)

    async def until(self, moment: float) -> None:
        """Waits for a moment of the traffic."""
        await until(lambda: self.traffic.progress >= moment, limit=TRAFFIC_SECONDS, what=f"moment {moment} of traffic")


async def run_row(row: Row, seed: int, events: int, generated: Path, folder: Path) -> Outcome:
    """Runs a row with `events` events in `folder`; `generated` is the generated service.

    Raises what the harness raises when something does not start, and so cannot be judged.
    """
    large = [*row.large, *[("work", row.max_payload)] * int(row.bulky * events)]
    plan = Plan(events, seed, row.shares, max_attempts=row.options.max_attempts, large=large)
    short = events <= SHORT
    rate = min(row.rate, events / row.seconds)
    async with AsyncExitStack() as stack:
        here = await asyncio.to_thread(
            stack.enter_context,  # parts are started by blocking calls
            world(
                folder,
                cluster=row.cluster,
                proxy=row.proxy,
                consul=row.consul,
                redis=row.dedup == "redis",
                access=row.access,
                max_payload=row.max_payload,
            ),
        )
        client = await connect(here.url, here.access.publisher if here.access else {})
        stack.push_async_callback(client.close)
        jetstream = client.jetstream()
        await make_streams(jetstream, replicas=3 if row.cluster else 1)
        if row.prepare:
            await row.prepare(jetstream)
        settings = {**here.settings, "DEDUP": row.dedup}
        fleet = await asyncio.to_thread(Fleet, generated, folder, row.options, row.replicas, settings, row.surroundings)
        stack.callback(fleet.kill_all)
        await fleet.start()
        traffic = Traffic(jetstream, plan, rate)
        run = Run(row, short, here, fleet, traffic, plan, jetstream, random.Random(seed))
        await _under_fault(run)
        traces = await _traces(run)
        peak = fleet.peak_memory() if row.surroundings and row.surroundings.memory else 0.0
        await fleet.stop()
    return judge(run, traces, peak)


async def _under_fault(run: Run) -> None:
    """Traffic and fault, side by side, until nothing is left to do."""
    if run.row.restarts:
        run.fleet.supervise()
    flowing = asyncio.create_task(run.traffic.run())
    try:
        async with asyncio.timeout(TRAFFIC_SECONDS):
            await run.row.fault(run)
            run.traffic.end()
            await flowing
    finally:
        flowing.cancel()
    await _settle(run)


async def _settle(run: Run) -> None:
    """Waits until everything is settled, longer while a backlog shrinks: a busy machine may leave a long one."""
    left = math.inf
    while True:
        try:
            await until(lambda: settled(run.jetstream), limit=SETTLE_SECONDS, what="everything to be settled")
            return
        except WaitTimeout as error:
            before, left = left, (await run.jetstream.consumer_info(STREAM, DURABLE)).num_pending or 0
            if not 0 < left < before:
                run.broken.append(str(error))
                return


async def settled(jetstream: JetStreamContext) -> bool:
    """Whether the consumer has been given everything in its stream, and has nothing unacknowledged."""
    last = (await jetstream.stream_info(STREAM)).state.last_seq
    state = await jetstream.consumer_info(STREAM, DURABLE)
    seen_all = state.delivered is not None and state.delivered.stream_seq >= last
    return seen_all and state.num_pending == 0 and state.num_ack_pending == 0


async def _traces(run: Run) -> Traces:
    letters = dict(run.letters_before)
    for event, those in (await patiently(partial(read_letters, run.jetstream))).items():
        letters[event] = [*letters.get(event, []), *those]
    return Traces(read_records(run.fleet.records), await patiently(partial(read_effects, run.jetstream)), letters)


async def connect(url: str, shown: Mapping[str, Any] | None = None) -> Client:
    """A connection of a publisher that outlives every fault.

    `url` may hold several addresses; `shown` are nats-py's options by which the publisher proves who it is.
    """
    return await nats.connect(
        url.split(","),
        max_reconnect_attempts=-1,
        reconnect_time_wait=0.1,
        ping_interval=1,
        max_outstanding_pings=2,
        connect_timeout=1,
        error_cb=_ignore,
        **shown or {},
    )


async def _ignore(_: Exception) -> None:
    """The publisher's own troubles are part of the row; nats-py would print each."""
