"""The section `actions` of docs/performance.md: how many requests a generated service answers."""

from __future__ import annotations

import asyncio
import os
import platform
import shutil
import tempfile
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from benchmarks.arena import QUICK, Load, rotated, running
from benchmarks.contestants import Worker, generate, rival
from benchmarks.figures import ratio, spread, table
from benchmarks.requests import Figures, figures, requesting
from benchmarks.sections import Say, run
from natsgen.harness.nats_server import NatsServer
from natsgen.harness.processes import ManagedProcess
from natsgen.harness.service import GeneratedService

ROUNDS = 3
SECONDS = 0.5 if QUICK else 3.0
OUTSTANDING = (1, 100, 1000)
SUBJECT = "v1.bench.greet"
PAYLOAD = b'{"name":"Ada"}'
ACTION = "natsgen"
BARE = "nats-py subscribe"
MICRO = "nats-py micro"

ACTION_FILE = '''\
"""Greets."""

from pydantic import BaseModel

from src.actions.action import action


class GreetRequest(BaseModel):
    name: str


class GreetResponse(BaseModel):
    message: str


@action("greet")
async def greet(request: GreetRequest) -> GreetResponse:
    return GreetResponse(message=f"Hello {request.name}!")
'''

TEXT = """\
## Actions

How many requests an action answers, as natsgen generates it. It validates each request into a pydantic model, applies
its time limit, counts the request, and writes the reply from a model. The alternatives use the same server. Each runs
as a process of its own, one after the other:

- *nats-py subscribe*: a bare subscription of nats-py that parses JSON and responds with JSON; the client's practical
  limit.
- *nats-py micro*: the same as an endpoint of nats-py's micro service.

The client keeps 1, 100 or 1,000 requests open at any time, and takes hardly any processor time. Figures are medians of
{rounds} rounds, with the lowest and the highest in brackets. Ratios are calculated within each round. Microseconds are
the responder's processor time for each request.

{table}

{date}; Python {python}, {machine}, {cores} cores. `make bench` repeats all measurements;
`python -m benchmarks.actions` repeats this section.
"""

Start = Callable[[], AbstractContextManager[GeneratedService | ManagedProcess]]
Measured = Mapping[int, Mapping[str, list[Figures]]]


def measure(rounds: int, say: Say) -> Measured:
    """Return the figures of each contestant by the number of open requests, a value for each round."""
    with tempfile.TemporaryDirectory(prefix="natsgen-bench-") as name:
        folder = Path(name)
        worker = Worker(generate(folder / "workspace", "--data", "actions={greet: {}}"))
        with NatsServer(folder / "nats") as server:
            bare = partial(rival, "respond", worker.python)
            asked = Load("NONE", 0, 0, (SUBJECT,))  # nothing waits in a stream
            starts: dict[str, Start] = {
                ACTION: partial(_service, worker, server.url, folder),
                BARE: partial(bare, {}, server.url, asked, folder),
                MICRO: partial(bare, {"BENCH_MICRO": "1"}, server.url, asked, folder),
            }
            return asyncio.run(_in_turn(starts, server.port, rounds, say))


async def _in_turn(
    starts: Mapping[str, Start], port: int, rounds: int, say: Say
) -> dict[int, dict[str, list[Figures]]]:
    measured: dict[int, dict[str, list[Figures]]] = {
        outstanding: {name: [] for name in starts} for outstanding in OUTSTANDING
    }
    for number in range(rounds):
        for name in rotated(list(starts), number):
            async with running(starts[name]()) as contestant:
                process = contestant.process if isinstance(contestant, GeneratedService) else contestant
                await _answers(port)
                for outstanding in OUTSTANDING:
                    async with requesting(port, SUBJECT, PAYLOAD, outstanding) as requester:
                        found = await figures(requester, process.pid, SECONDS)
                    measured[outstanding][name].append(found)
                    say(
                        f"round {number + 1}: {name}, {outstanding} open: {found.rate:,.0f}/s, {found.cost:.1f} us each"
                    )
    return measured


async def _answers(port: int) -> None:
    """Return when somebody answers.

    Raises:
        TimeoutError: nobody does.
    """
    async with asyncio.timeout(20):
        while True:
            async with requesting(port, SUBJECT, PAYLOAD, 1) as requester:
                await asyncio.sleep(0.2)
                if requester.answered:
                    return


def _service(worker: Worker, url: str, folder: Path) -> GeneratedService:
    copy = folder / "service"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(worker.generated, copy)
    (copy / "src/domain/actions/greet_action.py").write_text(ACTION_FILE)
    return GeneratedService(copy, python=worker.python, log_folder=folder, settings=worker.settings_for(url))


def section(measured: Measured, rounds: int) -> str:
    """Return the section in Markdown."""
    rows = []
    for outstanding, found in measured.items():
        rates = {name: [one.rate for one in each] for name, each in found.items()}
        for name, each in found.items():
            against = "" if name == ACTION else ratio(rates[ACTION], rates[name]).text()
            costs = spread([one.cost for one in each]).text(",.1f")
            rows.append((f"{outstanding:,} open: {name}", spread(rates[name]).text(",.0f"), costs, against))
    return TEXT.format(
        rounds=rounds,
        table=table(("", "answers a second", "microseconds each", "natsgen against it"), rows),
        date=datetime.now(UTC).date().isoformat(),
        python=platform.python_version(),
        machine=f"{platform.system()} {platform.machine()}",
        cores=os.cpu_count(),
    )


if __name__ == "__main__":
    run("actions", __doc__, ROUNDS, measure, section)
