"""docs/features.md names tests that are there, for every feature but those that are left out with a reason."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
NAMED = "docs/features.md"
NODE = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")
TABLES = [line for line in (ROOT / NAMED).read_text().splitlines() if line.startswith("| ")]
ROWS = [[cell.strip() for cell in line.split("|")[1:-1]] for line in TABLES]


def functions_in(file: Path) -> set[str]:
    """The names of a file's test functions; none if there is no such file."""
    if not file.is_file():
        return set()
    nodes = ast.parse(file.read_text()).body
    return {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_each_named_test_is_there() -> None:
    named: dict[str, set[str]] = {}
    for file, name in NODE.findall((ROOT / NAMED).read_text()):
        named.setdefault(file, set()).add(name)

    assert named
    missing = {file: names - functions_in(ROOT / file) for file, names in named.items()}
    assert {file: names for file, names in missing.items() if names} == {}


def test_every_feature_has_a_test_or_a_reason() -> None:
    for feature, natsgen, tests in ROWS:
        if not feature.startswith("**") and (feature, tests) != ("feature", "shown by"):
            assert bool(tests) != natsgen.startswith("left out: "), feature
