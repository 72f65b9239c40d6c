"""Measures what the extra `otel` costs: `python -m benchmarks.tracing`. docs/guides/tracing.md has its figures."""

from __future__ import annotations

import argparse
import asyncio
import os
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from benchmarks.arena import SAMPLE_SECONDS, WARM_UP, Arena, arena, load, rotated, running
from benchmarks.contestants import Start, Worker, generate
from benchmarks.figures import ratio, spread, table
from natsgen.harness.ports import LOOPBACK
from natsgen.harness.service import GeneratedService

ROUNDS = 3
WITHOUT = "without the extra"
OFF = {"OTEL_SDK_DISABLED": "true"}
SOME = {"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.01"}
LOAD = load("TRACED", 150, 100_000)
LONGEST = 4.0  # seconds that one is measured at most


@contextmanager
def collector() -> Iterator[str]:
    """Provide a collector that takes what it gets, and reads none of it."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None: ...

    with ThreadingHTTPServer((LOOPBACK, 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://{LOOPBACK}:{server.server_address[1]}"
        server.shutdown()


async def measure(starts: Mapping[str, Start], folder: Path, rounds: int) -> dict[str, list[float]]:
    """Return the CPU time of each for a message in microseconds, in every round; other load hardly changes it."""
    costs: dict[str, list[float]] = {title: [] for title in starts}
    async with arena(folder / LOAD.name) as here:
        await here.fill(LOAD)
        for number in range(rounds):
            for title in rotated(list(starts), number):
                await here.forget_consumers(LOAD.name)
                async with running(starts[title](here.server.url, LOAD, folder)) as service:
                    costs[title].append(await cost(here, service))
                print(f"round {number + 1}: {title} {costs[title][-1]:.0f} µs", flush=True)
    return costs


async def cost(here: Arena, service: GeneratedService) -> float:
    """Return the CPU time for a message in microseconds, of all threads of a worker, after the first messages."""
    await here.until(LOAD.name, WARM_UP)
    began, before = cpu_seconds(service.process.pid), await here.acknowledged(LOAD.name)
    ended = time.monotonic() + LONGEST
    while (done := await here.acknowledged(LOAD.name)) < LOAD.count and time.monotonic() < ended:  # noqa: ASYNC110
        await asyncio.sleep(SAMPLE_SECONDS)
    return 1e6 * (cpu_seconds(service.process.pid) - began) / (done - before)


def cpu_seconds(pid: int) -> float:
    """Return the seconds of CPU time that a process has taken."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Measure each in turn, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tracing", description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"how often each is measured (default {ROUNDS})")
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory(prefix="natsgen-bench-") as name, collector() as url:
        folder = Path(name)
        plain = Worker(generate(folder / "plain"))
        traced = Worker(generate(folder / "traced", "--with", "otel"), settings={"OTEL_EXPORTER_OTLP_ENDPOINT": url})
        starts: dict[str, Start] = {WITHOUT: plain.service}
        for title, settings in (("`OTEL_SDK_DISABLED=true`", OFF), ("1 % of the traces", SOME), ("every trace", {})):
            worker = replace(traced, settings={**traced.settings, **settings})
            starts[title] = partial(worker.service, name="traced")
        costs = asyncio.run(measure(starts, folder, rounds))
    rows = [(title, spread(each).text(",.0f"), ratio(costs[WITHOUT], each).text()) for title, each in costs.items()]
    print(
        table(("the worker", "µs of CPU for each message", "messages a second of one core, against it without"), rows)
    )


if __name__ == "__main__":
    main()
