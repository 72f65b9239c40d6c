"""docs/features.md names tests that are there, for every feature but those that are left out with a reason."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.features import NAMED, named_tests

ROOT = Path(__file__).parents[2]
TABLES = [line for line in (ROOT / NAMED).read_text().splitlines() if line.startswith("| ")]
ROWS = [[cell.strip() for cell in line.split("|")[1:-1]] for line in TABLES]


def functions_in(file: Path) -> set[str]:
    """The names of a file's test functions."""
    nodes = ast.parse(file.read_text()).body
    return {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


@pytest.mark.parametrize("test", named_tests(ROOT))
def test_each_named_test_is_there(test: str) -> None:
    file, _, name = test.partition("::")
    assert (ROOT / file).is_file(), f"{NAMED} names {file}, which is not there"
    assert name in functions_in(ROOT / file), f"{NAMED} names {name}, which {file} does not have"


def test_every_feature_has_a_test_or_a_reason() -> None:
    for feature, natsgen, tests in ROWS:
        if not feature.startswith("**") and (feature, tests) != ("feature", "shown by"):
            assert bool(tests) != natsgen.startswith("left out: "), feature
