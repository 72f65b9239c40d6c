"""How each fault is done, beside the traffic; the moments are the seed's."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from nats.js import JetStreamContext
from nats.js.api import DiscardPolicy

from tests.chaos.handler import DURABLE, LINE, STREAM
from tests.chaos.plan import POISON
from tests.chaos.surroundings import block, shift, unblock
from tests.chaos.verdict import read_letters, read_records
from tests.chaos.waiting import patiently, until
from tests.harness_tools.freezing import freeze, resume
from tests.harness_tools.tcp_proxy import Direction

if TYPE_CHECKING:
    from natsgen.harness.local_server import LocalServer
    from tests.chaos.run import Run

AWAY_SECONDS = 3.0
"""How long something is away that comes back by itself."""

FLEET_AWAY_SECONDS = 10.0
"""How long the server is silent for many workers: longer than any of them takes a silent server for alive."""

MOST_CONNECTIONS = 3
"""Connections that a worker may make in such a row, the first included."""

NOTICE_SECONDS = 30.0
"""How long the worker may take to find out; the row's limit for the stall is far below it."""

BLOCKED_SECONDS = 20.0
"""How long nobody reads a worker's output."""

CLOCK_SECONDS = 300
"""How far a worker's clock is off."""

LETTERS_KEPT = 20_000
"""Bytes of dead letters that a full stream still takes: some, and then no more."""


async def nothing(run: Run) -> None:
    """No fault beside the traffic: none at all, or one that the events themselves bring."""


async def worker_killed(run: Run) -> None:
    """A replica is killed in the middle of its work and started again at once."""
    for moment in run.moments(2 if run.short else 5):
        await run.until(moment)
        await run.fleet.kill(run.random.randrange(len(run.fleet.workers)))


async def rolling_restart(run: Run) -> None:
    """Each replica is stopped with SIGTERM and started again, one after the other, as a deployment does."""
    for moment in run.moments(1, last=0.4):
        await run.until(moment)
        for number in range(len(run.fleet.workers)):
            await run.fleet.restart(number)


async def server_killed(run: Run) -> None:
    """The NATS server is killed and started again at once."""
    for moment in run.moments(1 if run.short else 3):
        await run.until(moment)
        await asyncio.to_thread(run.world.server.kill)
        await asyncio.to_thread(run.world.server.start)


async def server_frozen(run: Run) -> None:
    """The NATS server is silent for a while, with its connections open."""
    for moment in run.moments(1 if run.short else 2):
        await run.until(moment)
        freeze(run.world.server)
        await run.lasts(AWAY_SECONDS)
        resume(run.world.server)


async def fleet_frozen(run: Run) -> None:
    """The server is silent until every worker has given its connection up; then all come back, without a storm."""
    (moment,) = run.moments(1, last=0.4)
    await run.until(moment)
    freeze(run.world.server)
    await run.lasts(FLEET_AWAY_SECONDS)
    resume(run.world.server)

    async def stats() -> dict[str, tuple[bool, int]]:
        told = await asyncio.gather(*(asyncio.to_thread(worker.stats) for worker in run.fleet.workers))
        return {one["hostname"]: (one["ready"], one["nats_connections"]) for one in told}

    async def all_back() -> bool:
        return all(ready for ready, _ in (await stats()).values())

    await until(all_back, limit=NOTICE_SECONDS, what="every worker to be back")
    await run.until(0.85)  # the last tenth is kept for the end
    connections = {name: count for name, (_, count) in (await stats()).items()}
    if max(connections.values()) > MOST_CONNECTIONS:
        run.broken.append(f"connections made, where {MOST_CONNECTIONS} are enough: {connections}")


async def restarts(run: Run) -> None:
    """A worker with a backlog is restarted with SIGTERM, more often than there are attempts."""
    for moment in run.moments(2 * run.row.options.max_attempts, last=0.85):
        await run.until(moment)
        await run.fleet.restart(0)


async def consumer_deleted(run: Run) -> None:
    """Somebody deletes the worker's consumer."""
    for moment in run.moments(1 if run.short else 2):
        await run.until(moment)
        await run.jetstream.delete_consumer(STREAM, DURABLE)


async def consumer_steps_down(run: Run) -> None:
    """Another server becomes the leader of the worker's consumer."""
    for moment in run.moments(2 if run.short else 3):
        await run.until(moment)
        await asyncio.to_thread(run.world.nodes.step_down_consumer, STREAM, DURABLE)


async def stream_steps_down(run: Run) -> None:
    """Another server becomes the leader of the events' stream."""
    for moment in run.moments(2 if run.short else 3):
        await run.until(moment)
        await asyncio.to_thread(run.world.nodes.step_down_stream, STREAM)


async def leader_killed(run: Run) -> None:
    """The server that leads the worker's consumer is killed, and started again after a while."""
    for moment in run.moments(1, last=0.4):
        await run.until(moment)
        leader = await asyncio.to_thread(run.world.nodes.consumer_leader, STREAM, DURABLE)
        await _away(run, run.world.nodes[leader])


async def other_killed(run: Run) -> None:
    """A server that does not lead the worker's consumer is killed, and started again after a while."""
    for moment in run.moments(1, last=0.4):
        await run.until(moment)
        leader = await asyncio.to_thread(run.world.nodes.consumer_leader, STREAM, DURABLE)
        other = run.random.choice([name for name in run.world.nodes.servers if name != leader])
        await _away(run, run.world.nodes[other])


async def _away(run: Run, server: LocalServer) -> None:
    """It is killed, and started again after a while."""
    await asyncio.to_thread(server.kill)
    await run.lasts(AWAY_SECONDS)
    await asyncio.to_thread(server.start)


async def half_open(run: Run) -> None:
    """The worker's connection goes silent both ways for good, with both ends open; new connections work."""
    await _abandon(run, Direction.BOTH)


async def half_open_to_worker(run: Run) -> None:
    """Nothing reaches the worker any more, and what it sends arrives."""
    await _abandon(run, Direction.TO_CLIENT)


async def half_open_to_server(run: Run) -> None:
    """Nothing reaches the server any more, and what it sends arrives."""
    await _abandon(run, Direction.TO_SERVER)


async def _abandon(run: Run, direction: Direction) -> None:
    """Until the worker has a new connection."""
    worker, proxy = run.fleet.workers[0], run.world.between
    (moment,) = run.moments(1, last=0.4)
    await run.until(moment)
    before = (await asyncio.to_thread(worker.stats))["nats_connections"]
    proxy.abandon(direction)

    async def connected_anew() -> bool:
        return bool((await asyncio.to_thread(worker.stats))["nats_connections"] > before)

    await until(connected_anew, limit=NOTICE_SECONDS, what="the worker to notice")


async def connection_reset(run: Run) -> None:
    """The worker's connection is reset, again and again."""
    for moment in run.moments(3 if run.short else 6):
        await run.until(moment)
        run.world.between.cut()


async def consul_down(run: Run) -> None:
    """Consul is killed, and started again after a while."""
    for moment in run.moments(1):
        await run.until(moment)
        await _away(run, run.world.agent)


async def redis_down(run: Run) -> None:
    """Redis is killed, and started again after a while."""
    for moment in run.moments(1):
        await run.until(moment)
        await _away(run, run.world.inbox_server)


async def backlog(run: Run) -> None:
    """The worker is away until most events are published; what is left is its backlog."""
    (moment,) = run.moments(1, last=0.2)
    await run.until(moment)
    await run.fleet.stop_one(0)
    await run.until(0.85)
    await run.fleet.start_one(0)


async def output_blocked(run: Run) -> None:
    """Nobody reads the worker's output; later every line is there, or counted as dropped."""
    (worker,) = run.fleet.workers
    (moment,) = run.moments(1, last=0.2)
    await run.until(moment)
    block(run.fleet.folder, worker.name)
    await run.lasts(BLOCKED_SECONDS)
    unblock(run.fleet.folder, worker.name)
    await asyncio.to_thread(worker.process.wait_for_line, "log lines dropped", limit=NOTICE_SECONDS)
    run.traffic.hold({"work"})

    def written_and_dropped() -> int:
        lines = worker.process.lines()
        dropped = [int(json.loads(line)["lines"]) for line in lines if '"log lines dropped' in line]
        return sum(LINE in line for line in lines) + sum(dropped)

    async def none_missing() -> bool:
        handled = sum(record.what == "handled" for record in read_records(run.fleet.records))
        return handled >= len(run.traffic.confirmed) and await asyncio.to_thread(written_and_dropped) >= handled

    await until(none_missing, limit=NOTICE_SECONDS, what="every line to be written or counted as dropped")
    run.traffic.release()


async def clock_off(run: Run) -> None:
    """A replica's wall clock leaps ahead, then behind; it is killed each time, with another clock than its peer's."""
    worker = run.fleet.workers[0]
    for moment, seconds in zip(run.moments(2), (CLOCK_SECONDS, -CLOCK_SECONDS), strict=True):
        await run.until(moment)
        shift(run.fleet.folder, worker.name, seconds)
        await run.lasts(AWAY_SECONDS)
        await run.fleet.kill(0)
        told = datetime.fromisoformat((await asyncio.to_thread(worker.log_records))[0]["timestamp"])
        if abs((told - datetime.now(UTC)).total_seconds() - seconds) > CLOCK_SECONDS / 2:
            run.broken.append(f"the clock is not off by {seconds} s: it says {told}")
    await run.lasts(AWAY_SECONDS)
    shift(run.fleet.folder, worker.name, 0)


async def letters_deleted(run: Run) -> None:
    """Somebody deletes the stream of the dead letters, after all letters so far have been read from it."""
    for moment in run.moments(1):
        await run.until(moment)
        run.traffic.hold(set(POISON))  # a letter that arrives between reading and deleting would be that person's loss
        await until(lambda: _all_letters_there(run), limit=NOTICE_SECONDS, what="the letters so far")
        run.letters_before = await patiently(partial(read_letters, run.jetstream))
        await run.jetstream.delete_stream("DLQ")
        run.traffic.release()


async def make_small_letters_stream(jetstream: JetStreamContext) -> None:
    """The stream of the dead letters as an operator may have made it: no more bytes than these, and none discarded."""
    await jetstream.add_stream(
        name="DLQ", subjects=["dlq.>", "replay.>"], max_bytes=LETTERS_KEPT, discard=DiscardPolicy.NEW
    )


async def letters_full(run: Run) -> None:
    """The stream of the dead letters is full after the first letters, and enlarged late."""
    await run.until(0.7)
    if await _all_letters_there(run):
        run.broken.append("the stream of the dead letters was never full")
    config = (await run.jetstream.stream_info("DLQ")).config
    await run.jetstream.update_stream(config.evolve(max_bytes=-1))


async def _all_letters_there(run: Run) -> bool:
    wanted = run.plan.expected_letters.keys() & run.traffic.confirmed.keys()
    return wanted <= (await read_letters(run.jetstream)).keys()
