"""Draws messages a second by load and contestant; reads {load: {contestant: [median, least, most]}} as JSON on stdin.

Runs in the environment of `benchmarks/requirements.txt`: `python plots/worker.py docs/performance-worker.svg`.
"""

import json
import sys

import matplotlib
from matplotlib import pyplot

matplotlib.use("svg")
matplotlib.rcParams["svg.hashsalt"] = "natsgen"  # the same numbers give the same file
matplotlib.rcParams["font.size"] = 9


def main() -> None:
    figures = json.load(sys.stdin)
    panes = pyplot.subplots(1, len(figures), figsize=(3.1 * len(figures), 2.8), sharey=True)[1]
    for pane, (title, rates) in zip(panes, figures.items(), strict=True):
        names = list(rates)[::-1]
        medians = [rates[name][0] for name in names]
        below = [rates[name][0] - rates[name][1] for name in names]
        above = [rates[name][2] - rates[name][0] for name in names]
        colors = ["#2b7a78" if name == "natsgen" else "#b8c4c2" for name in names]
        bars = pane.barh(names, medians, xerr=[below, above], color=colors, ecolor="#555555", capsize=2)
        pane.bar_label(bars, [f" {median:,.0f}" for median in medians], padding=3)
        pane.set_title(title)
        pane.set_xlim(0, max(medians) * 1.35)
        pane.xaxis.set_major_locator(pyplot.MaxNLocator(3))
        pane.spines[["top", "right"]].set_visible(False)
    pyplot.gcf().supxlabel(sys.argv[2] if len(sys.argv) > 2 else "messages a second (median, range)")
    pyplot.tight_layout()
    pyplot.savefig(sys.argv[1], metadata={"Date": None})


main()
