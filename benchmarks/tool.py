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
All tools create the same files from the same answers, except for each tool's own answers file. The benchmark compares
the files byte for byte before it measures. The Typer program is minimal: it has one command, and does not use Rich.
Copier renders natsgen's template from a plain folder, because it would clone a git repository first. If Copier finds
git, it runs git for every file, so the table also shows Copier without git. Cookiecutter renders an equivalent of
natsgen's template, with the same files and variables; it copies plain Python without rendering it
(`_copy_without_render`). Copier and cookiecutter do not wait until their files are on disk, and leave some of them
behind if they are killed. natsgen waits, and its next command completes or reverts the interrupted one; the table
includes the time for that.

`natsgen new worker` renders with Copier, which takes most of the time: to import Copier, and to compile hundreds of
small templates, one for every part of every path. `add-handler` renders its two files without Copier, and `list` only
reads; its workspaces hold only the files that it reads. `natsgen --help` can take less time than a program that does
nothing, because natsgen skips Python's garbage collection at exit."""


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
        """Return the seconds that one more service costs `natsgen list`, between the fewest services and the most."""
        fewest, most = self.seconds[listing(SERVICES[0])], self.seconds[listing(SERVICES[-1])]
        more = SERVICES[-1] - SERVICES[0]
        return spread([(long - short) / more for long, short in zip(most, fewest, strict=True)])


def main() -> int:
    """Measure everything and print the tables."""
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
    """Measure every command in that many rounds."""
    python = environment_for(REQUIREMENTS)
    with tempfile.TemporaryDirectory(prefix="natsgen-bench-") as folder:
        return Figures(rounds, take_turns(prepare(Path(folder), python), rounds), _versions(python))


def section(figures: Figures) -> str:
    """Return the part of the report about the tool, in Markdown."""
    seconds = figures.seconds
    ratios = [(f"{one} / {other}", ratio(seconds[one], seconds[other]).text(), goal) for one, other, goal in RATIOS]
    times = [(name, _milliseconds(spread(each)).text(",.0f")) for name, each in seconds.items()]
    parts = [
        "## The tool",
        f"How long commands take from the start to the exit of their process, in {figures.rounds} rounds. In each "
        "round, the commands run one after the other. Figures are medians, with the lowest and the highest in "
        "brackets. Ratios are calculated within each round, because the speed of the machine changes.",
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
    """Draw the commands beside each other, and `natsgen list` against the number of services."""
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
