"""What the report about the tool's speed says of what was measured, and that the tools can be compared."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import tool_setup
from benchmarks.figures import Spread
from benchmarks.tool import RATIOS, Figures, section
from natsgen.harness.environment import environment_for

NAMES = {name for one, other, _ in RATIOS for name in (one, other)}


@pytest.fixture
def figures() -> Figures:
    """Two rounds in which everything takes a second, but for `add-handler` and the lists."""
    seconds = {name: [1.0, 1.0] for name in NAMES}
    lists = {tool_setup.listing(count): [0.1 + count / 1000, 0.1 + count / 500] for count in tool_setup.SERVICES}
    return Figures(2, {**seconds, tool_setup.ADD: [0.2, 0.3], **lists}, {"Python": "3.11"})


def test_a_ratio_is_made_within_a_round(figures: Figures) -> None:
    row = "| natsgen add-handler / natsgen new worker | 0.25 (0.20 to 0.30) | at most 0.25 |"
    assert row in section(figures).splitlines()


def test_every_command_has_its_milliseconds(figures: Figures) -> None:
    lines = section(figures).splitlines()
    assert "| natsgen add-handler | 250 (200 to 300) |" in lines
    assert all(any(line.startswith(f"| {name} | ") for line in lines) for name in figures.seconds)


def test_a_service_costs_what_lies_between_the_fewest_and_the_most(figures: Figures) -> None:
    found = figures.of_one_service()
    assert (found.least, found.most) == pytest.approx((0.001, 0.002))
    assert isinstance(found, Spread)
    assert "One more service costs `natsgen list` 1.50 (1.00 to 2.00) ms" in section(figures)


def test_copier_and_cookiecutter_make_what_natsgen_makes(tmp_path: Path) -> None:
    python = environment_for(Path(tool_setup.__file__).with_name("requirements.txt"))
    compared = tool_setup.new_workers(tmp_path, python, tool_setup.person_in(tmp_path))  # which exits where they differ
    assert [one.name for one in compared] == [
        tool_setup.NEW,
        tool_setup.COPIER,
        tool_setup.COPIER_WITHOUT_GIT,
        tool_setup.COOKIECUTTER,
    ]
