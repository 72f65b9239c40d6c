"""The tour of a generated service's `infrastructure/` is complete, and the way that it leads is short."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "template/services/{{ service_name }}/src/infrastructure"
WAY, BESIDE = "The way of a message", "Beside the way"  # the groups of files that are in no folder
LONGEST = 85  # lines of the tour
IN_TEN_MINUTES = 1150  # lines of code beside imports
ONE_FILE = 210  # lines of code with them
GROUP = re.compile(rf"^(?P<group>{WAY}|{BESIDE}|\w+/)$")
STOP = re.compile(r"^ {4}(?P<file>\w+\.py) +(?P<said>\S.*)$")
SOURCES = sorted(path for path in FOLDER.rglob("*.py") if path.name != "__init__.py")


def tour() -> list[str]:
    """The lines of the tour."""
    return (ast.get_docstring(ast.parse((FOLDER / "__init__.py").read_text())) or "").splitlines()


def code_of(path: Path, *, imports: bool) -> int:
    """How many lines of a file are neither empty nor a comment nor a docstring; nor imports, unless these count."""
    text = path.read_text()
    left_out: set[int] = set()
    for node in ast.walk(ast.parse(text)):
        is_text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        if is_text or (isinstance(node, ast.Import | ast.ImportFrom) and not imports):
            left_out.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    lines = enumerate(text.splitlines(), start=1)
    return sum(1 for number, line in lines if line.strip() and line.strip()[0] != "#" and number not in left_out)


def stops() -> dict[str, list[Path]]:
    """The files that the tour names, by their group."""
    named: dict[str, list[Path]] = {}
    folder = FOLDER
    for line in tour():
        if group := GROUP.match(line):
            here = named.setdefault(group["group"], [])
            folder = FOLDER / group["group"] if group["group"].endswith("/") else FOLDER
        elif stop := STOP.match(line):
            here.append(folder / stop["file"])
    return named


def test_the_tour_names_every_file_in_its_folder_once_and_no_other() -> None:
    assert sorted(path for group in stops().values() for path in group) == SOURCES


def test_the_tour_is_short_and_says_something_of_each_file() -> None:
    lines = tour()

    assert len(lines) < LONGEST
    assert all(GROUP.match(line) or STOP.match(line) for line in lines[lines.index(WAY) :] if line)


def test_the_way_of_a_message_reads_in_ten_minutes() -> None:
    assert sum(code_of(path, imports=False) for path in stops()[WAY]) < IN_TEN_MINUTES


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_a_file_is_short(path: Path) -> None:
    assert code_of(path, imports=True) < ONE_FILE


def test_each_folder_says_what_it_is_for() -> None:
    folders = {path.parent for path in SOURCES} - {FOLDER}

    assert folders
    assert all(ast.get_docstring(ast.parse((folder / "__init__.py").read_text())) for folder in folders)
