"""A review of a new service shows the owner's files, and folds the template's."""

from __future__ import annotations

import subprocess
from pathlib import Path, PurePosixPath

import pytest

from natsgen.cli import main
from natsgen.parts.kinds import is_owners
from tests.template import source
from tests.template.test_budgets import FULL, WORKER

SHARED = {"pyproject.toml"}  # the owner's dependencies, and the template's
OWN = (
    "src/domain/prices.py",
    "src/domain/sales/models.py",
    "tests/test_prices.py",
    "tests/handlers/test_own_handler.py",
)


@pytest.mark.parametrize("arguments", [WORKER, FULL], ids=["worker", "full"])
def test_a_review_shows_the_files_of_the_owner(arguments: tuple[str, ...], tmp_path: Path) -> None:
    assert main(["new", *arguments, "--workspace", str(tmp_path), "--no-input"]) == 0
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    service = tmp_path / "services" / arguments[1]
    files = [str(path.relative_to(service)) for path in service.rglob("*") if path.is_file()]

    checked = subprocess.run(
        ["git", "check-attr", "linguist-generated", *files, *OWN],
        cwd=service,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.splitlines()
    shown = {line.split(":")[0] for line in checked if not line.endswith(": set")}

    parts = {file for file in files if is_owners(PurePosixPath(file)) or "/overlays/" in file}
    assert parts
    assert shown == parts | SHARED | source.CREATED_ONCE | {*OWN}
