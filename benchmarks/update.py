"""How long it takes to bring a fleet to a newer template, beside `copier update` one service after the other.

`python -m benchmarks.update --services 20` is quicker than the 100 that the goal speaks of. Copier updates the first
few of them, `--rounds`: it takes the same time for each. `--write` puts the result into docs/performance.md.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import natsgen
from benchmarks.figures import table
from scripts.documents import PERFORMANCE
from tests.harness_tools.versions import machine
from tests.update import world
from tests.update.world import FIRST, SECOND, THIRD, Installed

SERVICES = 100
BY_COPIER = 3
GOAL = "below 1"


@dataclass(frozen=True)
class Figures:
    """What was measured, in seconds for one service.

    Attributes:
        services: how many natsgen updated at once.
        by_copier: how many Copier updated, one after the other.
        natsgen: its time by how many services there were.
        copier: the time of each of Copier's updates.
        check: the time of `natsgen check --all`.
    """

    services: int
    by_copier: int
    natsgen: float
    copier: float
    check: float


def main() -> int:
    """Measures, and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--services", type=int, default=SERVICES, help=f"how many there are (default {SERVICES})")
    parser.add_argument("--rounds", type=int, default=BY_COPIER, help=f"how many Copier updates (default {BY_COPIER})")
    parser.add_argument("--write", action="store_true", help=f"write {PERFORMANCE.file} too")
    options = parser.parse_args()
    figures = measure(options.services, max(1, min(options.rounds, options.services)))
    text = section(figures)
    print(text)
    if options.write:
        PERFORMANCE.write_section("update", text)
    return 0


def measure(services: int, by_copier: int) -> Figures:
    """Update a fleet with both; both results are compared before anything is told.

    Raises:
        SystemExit: an update fails, or the two do not make the same files.
    """
    with tempfile.TemporaryDirectory(prefix="natsgen-bench-") as name:
        folder = Path(name)
        releases = _releases(folder)
        fleet = folder / "natsgen" / "shop"
        names = world.fleet(_made(releases[FIRST], folder / "made" / "shop"), fleet, services)
        rival = folder / "copier" / "shop"
        shutil.copytree(fleet, rival)
        newest = releases[THIRD]
        took = _seconds(lambda: newest.do("update", "--all", cwd=fleet))
        check = _seconds(lambda: newest.do("check", "--all", cwd=fleet))
        by_one = sum(_copier(newest, rival, one) for one in names[:by_copier])
        for one in names[:by_copier]:
            _refuse_difference(fleet, rival, one)
        return Figures(services, by_copier, took / services, by_one / by_copier, check / services)


def section(figures: Figures) -> str:
    """Return the part of the report about updates, in Markdown."""
    ratio = figures.natsgen / figures.copier
    rows = [
        (f"natsgen update --all, {figures.services} services", f"{figures.natsgen * 1000:,.0f}"),
        (f"copier update, {figures.by_copier} services one after the other", f"{figures.copier * 1000:,.0f}"),
        (f"natsgen check --all, {figures.services} services", f"{figures.check * 1000:,.0f}"),
    ]
    parts = [
        "## Updates",
        "The time to update one service from the first of three releases to the third. natsgen takes "
        f"{ratio:.2f} times as long as Copier (goal: {GOAL}).",
        table(("what", "milliseconds a service"), rows),
        "Copier requires a commit after each service; the time of the commits is not included. The benchmark checks "
        "that both create the same files.",
        table(
            ("measured with", "version"),
            [("natsgen", natsgen.__version__), ("copier", version("copier")), ("machine", machine())],
        ),
        f"To repeat it: `python -m benchmarks.update --services {figures.services} --rounds {figures.by_copier}`; "
        "`--write` writes this section.",
    ]
    return "\n\n".join(parts)


def _releases(folder: Path) -> dict[str, Installed]:
    root = world.template_repository(folder / "repository")
    found = {}
    for tag, change in ((FIRST, _nothing), (SECOND, world.second), (THIRD, world.third)):
        world.make_release(root, tag, change)
        found[tag] = world.install(root, folder / tag)
    return found


def _nothing(root: Path) -> None:
    """Return what the first release changes."""


def _made(natsgen: Installed, folder: Path) -> Path:
    folder.mkdir(parents=True)
    natsgen.do("new", "worker", "billing", "--subject", "orders.order.created", cwd=folder)
    return folder


def _copier(natsgen: Installed, folder: Path, service: str) -> float:
    def update() -> None:
        done: subprocess.CompletedProcess[str] = world.copier(natsgen, folder, service)
        if done.returncode:
            sys.exit(f"copier update {service}: {done.stderr}")

    took = _seconds(update)
    world.commit(folder)
    return took


def _refuse_difference(fleet: Path, rival: Path, service: str) -> None:
    done = subprocess.run(["diff", "-r", fleet / "services" / service, rival / "services" / service], check=False)
    if done.returncode:
        sys.exit(f"natsgen and Copier do not make the same of {service}")


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


if __name__ == "__main__":
    raise SystemExit(main())
