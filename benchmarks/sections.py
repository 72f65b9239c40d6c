"""Write the sections of docs/performance.md: the command line of a part, and the plot of its rates."""

from __future__ import annotations

import argparse
import json
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple
from functools import partial
from pathlib import Path
from typing import TypeVar

from benchmarks.figures import spread
from natsgen.harness.environment import environment_for
from scripts.documents import PERFORMANCE

REQUIREMENTS = Path("benchmarks/requirements.txt")
Say = Callable[[str], None]
Measured = TypeVar("Measured")


def run(
    part: str,
    about: str | None,
    rounds: int,
    measure: Callable[[int, Say], Measured],
    section: Callable[[Measured, int], str],
    draw: Callable[[Measured], None] | None = None,
) -> None:
    """Measure a part, and print its section, or write it with its plot if `--write` is given.

    Args:
        part: the name of the section, and of the module in `benchmarks`.
        about: what the help says.
        rounds: how often each is measured unless `--rounds` says otherwise.
        measure: measures so many rounds, and says how it goes.
        section: returns the section in Markdown.
        draw: writes the plot.
    """
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks.{part}", description=about)
    parser.add_argument("--rounds", type=int, default=rounds, help=f"how often each is measured (default {rounds})")
    parser.add_argument("--write", action="store_true", help=f"write {PERFORMANCE.file}, instead of printing")
    wanted = parser.parse_args()
    measured = measure(wanted.rounds, partial(print, flush=True))
    text = section(measured, wanted.rounds)
    if wanted.write:
        if draw:
            draw(measured)
        PERFORMANCE.write_section(part, text)
        print(f"written: {PERFORMANCE.file}")
    else:
        print(text)


def draw_rates(plot: Path, panes: Mapping[str, Mapping[str, Sequence[float]]], *title: str) -> None:
    """Draw a pane for each title, with the median and the range of each name's values."""
    figures = {pane: {name: astuple(spread(values)) for name, values in of.items()} for pane, of in panes.items()}
    plot.parent.mkdir(exist_ok=True)
    subprocess.run(
        [environment_for(REQUIREMENTS), "benchmarks/plots/worker.py", plot, *title],
        input=json.dumps(figures),
        text=True,
        check=True,
    )
