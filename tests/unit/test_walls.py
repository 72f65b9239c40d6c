"""The walls that a newcomer ran into with a first real service, as far as a command or a file shows them.

The others are in tests/examples (1 to 4 and 6), tests/update (4, in tests of its own, and 8) and tests/template (9).
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from natsgen.cli import main

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with a worker."""
    workspace = tmp_path_factory.mktemp("walls") / "shop"
    workspace.mkdir()
    command = ["new", "worker", "billing", "--subject", "orders.order.created", "--workspace", str(workspace)]
    assert main([*command, "--no-input"]) == 0
    return workspace


def test_wall_5_a_review_of_a_new_service_shows_few_lines(shop: Path, tmp_path: Path) -> None:
    """It was 165 files and 17,160 lines; what the template keeps is folded now, and the rest can be read."""

    def git(*words: str) -> list[str]:
        command = ["git", f"--git-dir={tmp_path / 'git'}", f"--work-tree={shop}", *words]
        return subprocess.run(command, cwd=shop, check=True, capture_output=True, text=True).stdout.splitlines()

    git("init", "--quiet")
    git("add", "--all")
    files = git("ls-files")
    folded = {line.split(":")[0] for line in git("check-attr", "linguist-generated", *files) if line.endswith(": set")}
    shown = set(files) - folded

    assert len(shown) <= 10
    assert sum(len((shop / file).read_text().splitlines()) for file in shown) <= 400


def test_wall_7_a_new_handler_comes_with_a_test_in_the_running_service(shop: Path) -> None:
    """How to write one was not said; the services with real settings run theirs in tests/examples and make smoke."""
    service = shop / "services/billing"

    assert "service: RunningService" in (service / "tests/handlers/test_order_created_handler.py").read_text()
    assert "run_service(" in (service / "README.md").read_text()


def test_wall_10_passed_tests_leave_no_files(tmp_path: Path) -> None:
    """A run of this suite left 3.3 GB, and pytest kept three of them."""
    (tmp_path / "test_it.py").write_text(
        "def test_passes(tmp_path): (tmp_path / 'large').touch()\n"
        "def test_fails(tmp_path): (tmp_path / 'wanted').touch(); assert False\n"
    )
    kept = tmp_path / "kept"
    kept.mkdir()
    command = [sys.executable, "-m", "pytest", "-q", f"--config-file={ROOT / 'pyproject.toml'}", "test_it.py"]

    subprocess.run(
        [*command, "-p", "no:cacheprovider", f"--rootdir={tmp_path}"],
        cwd=tmp_path,
        env={**os.environ, "PYTEST_DEBUG_TEMPROOT": str(kept)},
        capture_output=True,
        timeout=60,
    )

    assert [file.name for file in kept.rglob("*") if file.is_file() and file.name != ".lock"] == ["wanted"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["answers", "billing", "set", "dedup=foo"], "natsgen: set dedup: invalid value 'foo' (choose none, "),
        (["answers", "billing", "set", "dedup"], "natsgen: set: "),
        (["show", "biling"], "did you mean 'billing'? (available: billing)"),
        (["new", "worker", "x", "--subject", "a.b.c", "--python", "3.10"], "(choose 3.11, 3.12, 3.13, 3.14)\n"),
        (["dlq", "list", "--reason", "exhasted"], "did you mean 'exhausted'?"),
    ],
)
def test_wall_11_a_typo_is_told_in_the_words_that_were_typed(
    shop: Path, words: list[str], message: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(shop)

    assert main(words) == 2
    assert message in capsys.readouterr().err


def test_wall_11_the_settings_of_a_service_are_shown_in_words(
    shop: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(shop)

    assert main(["show", "billing"]) == 0
    shown = capsys.readouterr().out
    assert re.search(r"^  LOG_LEVEL +INFO +Minimum log level", shown, re.MULTILINE)
    assert re.search(r"^  DEDUP +dedup in pyproject.toml +Store", shown, re.MULTILINE)


def test_wall_12_no_sentence_that_a_newcomer_did_not_understand_is_left() -> None:
    parts = ("README.md", "docs/**/*.md", "template/**/*.md*", "template/**/*.py", "src/natsgen/cli/*.py")
    texts = {file: " ".join(file.read_text().split()) for part in parts for file in ROOT.glob(part)}
    riddles = (
        "of these and the next two",
        "a tour of ten minutes",
        "those that are not about events",
        "to the contrary",
        "must bear the same event",
        "a dying connection takes along",
        "deliveries to a worker that stops do not",
        "that could not be removed any more",
        "takes that for the duplicate it is",
        "lacks what came after",
        "changes neither `service_name` nor parts",
        "a removed task three",
        "make it yourself with `--discard new`",
    )

    assert len(texts) > 50
    assert [(riddle, str(file)) for riddle in riddles for file, text in texts.items() if riddle in text] == []
