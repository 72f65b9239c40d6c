"""Draws docs/performance-tool.svg. Run with the interpreter of benchmarks/requirements.txt, which has matplotlib.

In, as JSON on standard input: `commands`, pairs of a name and the seconds of its runs, and `list`, pairs of a number of
services and the seconds of `natsgen list` with them. Out: the file that the argument names, the same for the same data.
"""

import json
import statistics
import sys
from collections.abc import Sequence
from typing import Any

import matplotlib

matplotlib.use("svg")
matplotlib.rcParams.update({"svg.hashsalt": "natsgen", "svg.fonttype": "none", "font.size": 9})

from matplotlib import pyplot  # noqa: E402  # after the choice of what it draws with

OURS, OTHERS = "#1f77b4", "#b0b0b0"


def main() -> None:
    """Reads, draws, writes."""
    data = json.load(sys.stdin)
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(11, 3.6), layout="constrained")
    draw_commands(left, data["commands"])
    draw_list(right, data["list"])
    figure.savefig(sys.argv[1], metadata={"Date": None})


def draw_commands(axes: Any, commands: Sequence[tuple[str, Sequence[float]]]) -> None:
    """Draw a bar for each command, the first one on top, with its range."""
    upwards = commands[::-1]
    names = [name for name, _ in upwards]
    medians, ranges = spreads([seconds for _, seconds in upwards])
    colours = [OURS if name.startswith("natsgen") else OTHERS for name in names]
    axes.barh(names, medians, xerr=ranges, color=colours, error_kw={"linewidth": 0.8, "capsize": 2})
    axes.set_title("One run of each command")
    axes.set_xlabel("milliseconds, median and range")


def draw_list(axes: Any, by_count: Sequence[tuple[int, Sequence[float]]]) -> None:
    """Draw a point for each number of services, with its range."""
    medians, ranges = spreads([seconds for _, seconds in by_count])
    counts = [count for count, _ in by_count]
    axes.errorbar(counts, medians, yerr=ranges, marker="o", markersize=4, capsize=2, color=OURS)
    axes.set_ylim(bottom=0)
    axes.set_title("natsgen list")
    axes.set_xlabel("services in the workspace")
    axes.set_ylabel("milliseconds, median and range")


def spreads(each: Sequence[Sequence[float]]) -> tuple[list[float], list[list[float]]]:
    """Return the medians in milliseconds, and how far the range goes below and above each."""
    medians = [1000 * statistics.median(seconds) for seconds in each]
    below = [median - min(seconds) * 1000 for median, seconds in zip(medians, each, strict=True)]
    above = [max(seconds) * 1000 - median for median, seconds in zip(medians, each, strict=True)]
    return medians, [below, above]


if __name__ == "__main__":
    main()
