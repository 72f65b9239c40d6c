"""How long natsgen's commands take, as whole processes, beside what people would use instead.

`python -m benchmarks.tool --rounds 5` is quicker than without and less certain; `--write` puts the result into
docs/performance.md and draws docs/performance-tool.svg.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import natsgen
from benchmarks.figures import Spread, ratio, spread, table
from benchmarks.tool_commands import take_turns
from benchmarks.tool_setup import (
    ADD,
    ADD_TO_MANY,
    COOKIECUTTER,
    COPIER,
    COPIER_WITHOUT_GIT,
    EMPTY,
    HELP,
    NEW,
    SERVICES,
    listing,
    prepare,
)
from natsgen.harness.environment import environment_for
from scripts.documents import PERFORMANCE
from tests.harness_tools.versions import installed_versions, machine

ROUNDS = 7
PLOT = Path("docs/performance-tool.svg")
REQUIREMENTS = Path("benchmarks/requirements.txt")
RATIOS = (
    (HELP, EMPTY, "at most 1.3"),
    (NEW, COPIER, "at most 1"),
    (NEW, COPIER_WITHOUT_GIT, ""),
    (NEW, COOKIECUTTER, ""),
    (ADD, NEW, "at most 0.25"),
    (ADD_TO_MANY, ADD, ""),
)
"""What is compared with what, and what natsgen aims at."""

HOW = """\
All tools make the same files from the same answers, which is compared byte for byte before anything is timed; only the
answers file is each tool's own. The Typer program is the leanest there is, with one command and without Rich. Copier
renders natsgen's template from a plain folder, because one in git it would clone first; where it finds git it also runs
it for every file, so it is measured without git too. Cookiecutter renders an equivalent that is made of natsgen's
template: the same files and variables, and what is plain Python copied as it is (`_copy_without_render`). Neither of
the two waits until its files are on the disk, or takes them back when it fails half-way; natsgen does, within the time
that is shown.

What bounds `natsgen new worker` is Copier, which renders it: most of the time goes into importing it and into the
hundreds of small templates that it compiles, one for every part of every path. `add-handler` renders its two files
without Copier, and `list` only reads. That `natsgen --help` can take less than a program that does nothing is due to
its end: Python does not search for garbage there."""


@dataclass(frozen=True)
class Figures:
    """What was measured.

    Attributes:
        rounds: how often each command was run.
        seconds: what each run took, round by round, by the command's name.
        versions: of what was measured, by its name.
    """

    rounds: int
    seconds: Mapping[str, Sequence[float]]
    versions: Mapping[str, str]

    def of_one_service(self) -> Spread:
        """The seconds that one more service costs `natsgen list`, between the fewest services and the most."""
        fewest, most = self.seconds[listing(SERVICES[0])], self.seconds[listing(SERVICES[-1])]
        more = SERVICES[-1] - SERVICES[0]
        return spread([(long - short) / more for long, short in zip(most, fewest, strict=True)])


def main() -> int:
    """Measures everything and prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"how often each command is run (default {ROUNDS})")
    parser.add_argument("--write", action="store_true", help=f"write {PERFORMANCE.file} and {PLOT} too")
    options = parser.parse_args()
    figures = measure(max(1, options.rounds))
    text = section(figures)
    print(text)
    if options.write:
        PERFORMANCE.write_section("tool", text)
        draw(figures, PLOT)
    return 0


def measure(rounds: int) -> Figures:
    """Measures every command in that many rounds."""
    python = environment_for(REQUIREMENTS)
    with tempfile.TemporaryDirectory(prefix="natsgen-bench-") as folder:
        return Figures(rounds, take_turns(prepare(Path(folder), python), rounds), _versions(python))


def section(figures: Figures) -> str:
    """The part of the report about the tool, in Markdown."""
    seconds = figures.seconds
    ratios = [(f"{one} / {other}", ratio(seconds[one], seconds[other]).text(), goal) for one, other, goal in RATIOS]
    times = [(name, _milliseconds(spread(each)).text(",.0f")) for name, each in seconds.items()]
    parts = [
        "## The tool",
        f"Whole processes, from start to exit, in {figures.rounds} rounds that take turns. Each figure is the median, "
        "with the least and the most in brackets; a ratio is made within a round, because a machine's speed changes.",
        table(("ratio", "median (range)", "goal"), ratios),
        table(("milliseconds", "median (range)"), times),
        f"One more service costs `natsgen list` {_milliseconds(figures.of_one_service()).text()} ms; the goal is "
        "under 10.",
        f"![How long the commands take]({PLOT.name})",
        HOW,
        table(("measured with", "version"), list(figures.versions.items())),
        f"To repeat it: `python -m benchmarks.tool --rounds {figures.rounds}`; `--write` writes this section.",
    ]
    return "\n\n".join(parts)


def draw(figures: Figures, file: Path) -> None:
    """Draws the commands beside each other, and `natsgen list` against the number of services."""
    data = {
        "commands": [
            (name, figures.seconds[name]) for name in (EMPTY, HELP, ADD, NEW, COPIER_WITHOUT_GIT, COPIER, COOKIECUTTER)
        ],
        "list": [(count, figures.seconds[listing(count)]) for count in SERVICES],
    }
    program = Path(__file__).with_name("plots") / "tool.py"
    file.parent.mkdir(exist_ok=True)
    subprocess.run([environment_for(REQUIREMENTS), program, file], input=json.dumps(data), text=True, check=True)


def _milliseconds(seconds: Spread) -> Spread:
    return Spread(seconds.median * 1000, seconds.least * 1000, seconds.most * 1000)


def _versions(python: Path) -> dict[str, str]:
    return {
        "natsgen": natsgen.__version__,
        "Python": platform.python_version(),
        "Typer": version("typer"),
        "Copier": version("copier"),
        "cookiecutter": installed_versions(python, "cookiecutter")[1],
        "machine": machine(),
    }


if __name__ == "__main__":
    raise SystemExit(main())
