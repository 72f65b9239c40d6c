"""The section `worker` of docs/performance.md: everything that is measured of a generated worker."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from benchmarks import handlers
from benchmarks.arena import load
from benchmarks.contestants import Start, Worker, emptied, generate, rival
from benchmarks.figures import ratio, spread, table
from benchmarks.sections import REQUIREMENTS, Say, draw_rates, run
from benchmarks.worker_latency import Latencies, measure_latency
from benchmarks.worker_lifetime import BACKLOGS, MANY, Memory, imports_of, measure_memory, measure_starts, measure_stops
from benchmarks.worker_rates import (
    PUSH,
    RIVALS,
    WORKER,
    Rates,
    measure_load,
    measure_rates,
    replicas,
)
from natsgen.harness.environment import environment_for
from natsgen.harness.programs import find_program
from tests.harness_tools.redis_server import RedisServer
from tests.harness_tools.versions import installed_versions, machine, nats_server_version

ROUNDS = 3
PLOT = Path("docs/performance-worker.svg")
BARE = "bare nats-py with the same imports"
OPTIONS_LOAD = load("OPTIONS", 150, 60_000)

TEXT = """\
## The worker

The worker is as `natsgen new worker` creates it, with a handler that does nothing. It validates every message into
`Event[Model]`, has its metrics, logs at the level INFO, handles one message at a time, and acknowledges each message
after its handler returns. The alternatives consume the same messages from the same server. Each runs as a process of
its own, one after the other:

- *nats-py push*: a bare push subscription of nats-py that parses JSON and acknowledges; the client's practical limit.
- *nats-py fetch(100)*: bare nats-py that fetches, parses and acknowledges.
- *FastStream pull*: its pull subscriber with batches of 100 and a pydantic model, without its log.
- *fsai-nats-app*: batches of 100 and a pydantic model; as installed, and without its debug log.

Figures are medians of {rounds} rounds, with the lowest and the highest in brackets. Ratios are calculated within each
round.

![Messages a second](performance-worker.svg)

### Messages a second

{rates}

### natsgen against the others

{ratios}

At 64 KB, the server often disconnects *nats-py push* as a slow consumer, because more than 64 MiB wait in its
connection. That rate, and natsgen's ratio to it, therefore vary by orders of magnitude.

### One message at a low rate

From publication to handler at 200 messages a second, in milliseconds.

{latency}

### Starting, stopping, memory

{lifetime}

### Replicas

Messages a second of 1, 2 and 4 replicas on one consumer. The replicas, the server and the benchmark itself share the
machine's cores.

{replicas}

### What options cost

{options}

### Publishing one event for each message

One handler at a time waits for the stream's confirmation. Bare nats-py does the same: push, parse, publish, await, ack.

{publishing}

{date}; nats-server {server}, nats-py {client}, FastStream {faststream}, fsai-nats-app {fsai}, Python {python},
{machine}. `make bench` repeats all measurements; `python -m benchmarks.worker` repeats this section.
"""


@dataclass(frozen=True)
class Measured:
    """Everything that the section shows; a value for each round in every list."""

    rates: Mapping[str, Rates]
    latency: Mapping[str, Latencies]
    starts: Mapping[str, list[float]]
    stops: list[float]
    memory: Memory
    replicas: Rates
    options: Rates
    publishing: Rates


def measure(rounds: int, say: Say) -> Measured:
    """Measure all of it; two or three minutes a round."""
    with tempfile.TemporaryDirectory(prefix="natsgen-bench-") as name:
        folder = Path(name)
        worker = Worker(generate(folder / "workspace"))
        rivals = environment_for(REQUIREMENTS)
        record = folder / "record"
        told = {handlers.RECORD: str(record)}
        recording = replace(worker, handler=handlers.RECORDING, settings=told).service
        same_imports = {**told, "BENCH_IMPORTS": imports_of(worker)}
        return Measured(
            rates=measure_rates(worker, rivals, folder, rounds, say),
            latency=measure_latency(
                {WORKER: recording, PUSH: partial(rival, "push", worker.python, told)}, record, folder, rounds, say
            ),
            starts=measure_starts(
                {WORKER: recording, BARE: partial(rival, "push", worker.python, same_imports)},
                record,
                folder,
                rounds,
                say,
            ),
            stops=measure_stops(worker, folder, rounds, say),
            memory=measure_memory(worker, folder, rounds, say),
            replicas=measure_load(
                {f"{count}": partial(replicas, worker, count) for count in (1, 2, 4)},
                load("REPLICAS", 150, 400_000),
                folder,
                rounds,
                say,
            ),
            options=_measure_options(worker, folder, rounds, say),
            publishing=_measure_publishing(worker, folder, rounds, say),
        )


def _measure_options(worker: Worker, folder: Path, rounds: int, say: Say) -> Rates:
    with ExitStack() as stack:
        starts: dict[str, Start] = {
            "as generated": worker.service,
            "concurrency=100": replace(worker, options=", concurrency=100").service,
            "a log line for every message": replace(worker, handler=handlers.LOGGING).service,
            "ack_sync=True": replace(worker, options=", ack_sync=True").service,
            "ack_sync=True, concurrency=100": replace(worker, options=", ack_sync=True, concurrency=100").service,
            "DEDUP=nats-kv": replace(worker, settings={"DEDUP": "nats-kv"}).service,
            "DEDUP=nats-kv, concurrency=100": replace(
                worker, settings={"DEDUP": "nats-kv"}, options=", concurrency=100"
            ).service,
        }
        if find_program("docker"):
            redis = stack.enter_context(RedisServer(folder / "redis"))
            settings = {"DEDUP": "redis", "REDIS_URL": redis.url}
            starts["DEDUP=redis"] = emptied(redis, replace(worker, settings=settings).service)
            starts["DEDUP=redis, concurrency=100"] = emptied(
                redis, replace(worker, settings=settings, options=", concurrency=100").service
            )
        return measure_load(starts, OPTIONS_LOAD, folder, rounds, say)


def _measure_publishing(worker: Worker, folder: Path, rounds: int, say: Say) -> Rates:
    starts: dict[str, Start] = {
        WORKER: replace(worker, handler=handlers.PUBLISHING).service,
        "nats-py": partial(rival, "publish", worker.python, {}),
    }
    return measure_load(starts, load("PUBLISHES", 150, 60_000), folder, rounds, say)


def section(measured: Measured, rounds: int) -> str:
    """Return the section in Markdown."""
    return TEXT.format(
        rounds=rounds,
        rates=_rates(measured.rates),
        ratios=_ratios(measured.rates),
        latency=_latency(measured.latency),
        lifetime=_lifetime(measured),
        replicas=table(
            ("replicas", "messages a second", "against one"),
            [
                (count, spread(rates).text(",.0f"), ratio(rates, measured.replicas["1"]).text())
                for count, rates in measured.replicas.items()
            ],
        ),
        options=table(
            ("the worker", "messages a second", "against as generated"),
            [
                (name, spread(rates).text(",.0f"), ratio(rates, measured.options["as generated"]).text())
                for name, rates in measured.options.items()
            ],
        ),
        publishing=table(
            ("", "messages a second", "natsgen against it"),
            [
                (name, spread(rates).text(",.0f"), ratio(measured.publishing[WORKER], rates).text())
                for name, rates in measured.publishing.items()
            ],
        ),
        date=datetime.now(UTC).date().isoformat(),
        **_versions(),
    )


def _rates(measured: Mapping[str, Rates]) -> str:
    rows = [(name, *(spread(rates[name]).text(",.0f") for rates in measured.values())) for name in (WORKER, *RIVALS)]
    return table(("", *measured), rows)


def _ratios(measured: Mapping[str, Rates]) -> str:
    rows = [
        (f"natsgen / {name}", *(ratio(rates[WORKER], rates[name]).text() for rates in measured.values()))
        for name in RIVALS
    ]
    return table(("", *measured), rows)


def _latency(measured: Mapping[str, Latencies]) -> str:
    rows = [(name, spread(each.p50).text(), spread(each.p99).text()) for name, each in measured.items()]
    ours, bare = measured[WORKER], measured[PUSH]
    added = [
        spread([mine - theirs for mine, theirs in zip(one, other, strict=True)]).text()
        for one, other in ((ours.p50, bare.p50), (ours.p99, bare.p99))
    ]
    return table(("", "p50", "p99"), [*rows, ("added by natsgen", *added)])


def _lifetime(measured: Measured) -> str:
    memory = measured.memory
    return table(
        ("", ""),
        [
            ("start to first message handled, seconds", spread(measured.starts[WORKER]).text()),
            (f"the same, {BARE}", spread(measured.starts[BARE]).text()),
            ("their ratio", ratio(measured.starts[WORKER], measured.starts[BARE]).text()),
            ("SIGTERM to exit when idle, seconds", spread(measured.stops).text()),
            ("resident memory when idle, MB", spread(memory.idle).text(".1f")),
            (f"after {MANY.count:,} messages, MB", spread(memory.after_many).text(".1f")),
            ("the same with Consul's client, MB", spread(memory.with_consul).text(".1f")),
            *(
                (f"while {size} messages wait for a slow handler, MB", spread(memory.backlog[size]).text(".1f"))
                for size in BACKLOGS
            ),
        ],
    )


def _versions() -> dict[str, str]:
    rivals = ("nats-py", "faststream", "fsai-nats-app")
    python, client, faststream, fsai = installed_versions(environment_for(REQUIREMENTS), *rivals)
    return {
        "server": nats_server_version(),
        "client": client,
        "faststream": faststream,
        "fsai": fsai,
        "python": python,
        "machine": machine(),
    }


def draw(measured: Measured) -> None:
    """Draw the rates under each load."""
    draw_rates(
        PLOT, {load: {name: rates[name] for name in (WORKER, *RIVALS)} for load, rates in measured.rates.items()}
    )


if __name__ == "__main__":
    run("worker", __doc__, ROUNDS, measure, section, draw)
