"""Each folder of natsgen uses only those before it, in the order of the table in CONTRIBUTING.md."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
TOOL = ROOT / "src/natsgen"
FIRST = ("harness", "errors", "messages")  # for all; the harness uses nothing else of natsgen
LAST = ("__init__", "__main__")
PRINTS = "natsgen.cli.output"  # also for `natsgen dev`


def order() -> tuple[str, ...]:
    (row,) = re.findall(r"^\| `src/natsgen/` \| (.*?) \|", (ROOT / "CONTRIBUTING.md").read_text(), re.MULTILINE)
    return (*FIRST, *re.findall(r"`(\w+)/`", row), *LAST)


def used_by(file: Path) -> Iterator[str]:
    """Yield the modules of natsgen that a file imports."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "natsgen":
            yield from (f"{node.module}.{alias.name}" for alias in node.names if alias.name != "__version__")


def test_the_table_names_every_folder() -> None:
    assert {file.relative_to(TOOL).parts[0].removesuffix(".py") for file in TOOL.rglob("*.py")} == set(order())


def test_a_folder_uses_only_those_before_it() -> None:
    places = {name: place for place, name in enumerate(order())}
    upwards = [
        f"{file.relative_to(TOOL)} uses {module}"
        for file in TOOL.rglob("*.py")
        for module in used_by(file)
        if places[module.split(".")[1]] > places[file.relative_to(TOOL).parts[0].removesuffix(".py")]
        and not module.startswith(PRINTS)
    ]
    assert upwards == []
