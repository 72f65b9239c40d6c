"""`make chaos`: the long form of every row, and docs/reliability.md made of it.

`make chaos ROW="calm half-open"` runs these alone, and writes their lines anew.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from natsgen.harness.commands import run
from natsgen.harness.reaper import temporary_folder
from scripts.documents import RELIABILITY
from tests.chaos.fleet import generate_services, python_for
from tests.chaos.report import SEEDS, line_of, section
from tests.chaos.rows import ROWS, Row
from tests.chaos.run import run_row
from tests.chaos.verdict import Outcome

EVENTS = 20_000
"""A row's events in the long form, shared out to its seeds."""


def main() -> int:
    """Exit code 0 when every promise held, 1 when one did not, 2 for wrong usage."""
    wanted = _arguments()
    rows = [ROWS[name] for name in wanted.row] if wanted.row else list(ROWS.values())
    seeds = [wanted.seed] if wanted.seed else list(SEEDS)
    whole = seeds == list(SEEDS) and wanted.events == EVENTS
    commit = _commit()
    outcomes: dict[str, list[Outcome]] = {}
    with temporary_folder("natsgen-chaos-") as scratch:
        folder = wanted.keep or scratch
        generated = generate_services(scratch / "workspace")
        python = python_for(generated)  # made once, before the processes ask for it
        for row, seed, outcome in _run_all(rows, seeds, wanted.events // len(SEEDS), wanted.jobs, generated, folder):
            outcomes.setdefault(row.name, []).append(outcome)
            print(line_of(row, seed, outcome), flush=True)
            for promise in outcome.broken:
                print(f"    broken: {promise}", flush=True)
            if whole and len(outcomes[row.name]) == len(SEEDS):
                text = section(RELIABILITY.section("chaos"), {row.name: outcomes[row.name]}, python, commit)
                RELIABILITY.write_section("chaos", text)
    return 1 if any(outcome.broken for row in outcomes.values() for outcome in row) else 0


def _commit() -> str:
    """The commit that is tested, with a plus if what is tested has changed since."""
    commit = run(["git", "rev-parse", "--short=7", "HEAD"], limit=10).output.strip()
    changed = run(["git", "status", "--porcelain", "--", "src", "template", "tests"], limit=10).output.strip()
    return f"{commit}+" if changed else commit


def _run_all(
    rows: list[Row], seeds: list[int], events: int, jobs: int, generated: Path, folder: Path
) -> Iterator[tuple[Row, int, Outcome]]:
    """Each row with each seed, `jobs` at a time, in this order."""
    with ProcessPoolExecutor(jobs) as processes:
        running = [
            (row, seed, processes.submit(_run, row.name, seed, events, generated, folder))
            for row in rows
            for seed in seeds
        ]
        for row, seed, result in running:
            yield row, seed, result.result()


def _run(name: str, seed: int, events: int, generated: Path, folder: Path) -> Outcome:
    own = folder / f"{name}-{seed}"
    own.mkdir(parents=True)
    try:
        return asyncio.run(run_row(ROWS[name], seed, events, generated, own))
    except Exception as error:  # a row that cannot be run is a broken promise too, and the others go on
        return Outcome(broken=[f"not run to its end: {type(error).__name__}: {error}"])


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--row", nargs="+", choices=list(ROWS), metavar="ROW", help=f"of {', '.join(ROWS)}")
    parser.add_argument("--seed", type=int, help=f"one seed; without it {', '.join(map(str, SEEDS))}")
    parser.add_argument("--events", type=int, default=EVENTS, help="events of a row, shared out to three seeds")
    parser.add_argument("--jobs", type=int, default=2, help="rows that run side by side")
    parser.add_argument("--keep", type=Path, help="keep logs, stores and records in this new folder")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
