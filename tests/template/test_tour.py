"""The tour of a generated service's `infrastructure/` is complete, and short enough to be read."""

from __future__ import annotations

import ast
import re
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / "template/services/{{ service_name }}/src/infrastructure"
GROUPS = ["Start", "Connection", "Receiving", "Handling", "Deciding", "Watching"]
LONGEST = 70  # lines
STOP = re.compile(r"^ {4}(?P<file>\w+\.py) +(?P<marked>\* )?(?P<said>\S.*)$")


def tour() -> list[str]:
    """The lines of the tour."""
    return (ast.get_docstring(ast.parse((FOLDER / "__init__.py").read_text())) or "").splitlines()


def test_the_tour_names_every_file_once_and_no_other() -> None:
    named = [stop["file"] for line in tour() if (stop := STOP.match(line))]

    assert sorted([*named, "__init__.py"]) == sorted(path.name for path in FOLDER.glob("*.py"))


def test_the_tour_is_short_and_says_something_of_each_file_in_its_group() -> None:
    lines = tour()

    assert len(lines) < LONGEST
    assert [line for line in lines if re.fullmatch(r"[A-Z][a-z]+", line)] == GROUPS
    stops = lines[lines.index(GROUPS[0]) :]
    assert all(STOP.match(line) for line in stops if line and line not in GROUPS)
