"""A run of all tests fails where one that docs/features.md names did not pass: shown in folders with a few tests."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CONFTEST = """
import pytest
from tests import features

def pytest_configure(config):
    features.watch(config, ["docker"])

def pytest_runtest_setup(item):
    if item.get_closest_marker("docker"):
        pytest.skip("no engine")
"""
TESTS = """
import pytest

@pytest.mark.parametrize("case", [1, 2])
def test_passes(case): ...

@pytest.mark.docker
def test_needs_docker(): ...

def test_skips_itself(): pytest.skip("not today")

def test_fails(): assert False

@pytest.mark.parametrize("case", [1, 2])
def test_fails_once(case): assert case == 1

@pytest.fixture
def broken(): raise ValueError

def test_has_a_broken_fixture(broken): ...
"""
ADDOPTS = "--import-mode=importlib -p no:cacheprovider"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "tests").mkdir()
    (tmp_path / "docs").mkdir()
    (tmp_path / "pytest.ini").write_text(f"[pytest]\ntestpaths = tests\naddopts = {ADDOPTS}\nmarkers = docker: x\n")
    (tmp_path / "conftest.py").write_text(CONFTEST)
    return tmp_path


def run_tests(folder: Path, named: str, source: str, *options: str) -> tuple[int, str]:
    """The exit code and the output of a run in which the document names these tests."""
    (folder / "docs/features.md").write_text("".join(f"`tests/test_it.py::{name}`\n" for name in named.split()))
    (folder / "tests/test_it.py").write_text(source)
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    command = [str(Path(sys.executable).with_name("pytest")), *options]
    done = subprocess.run(command, cwd=folder, env={**kept, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def without_failures() -> str:
    return TESTS[: TESTS.index("def test_fails()")]


@pytest.mark.parametrize("options", [(), ("-n", "2")], ids=["alone", "with xdist"])
def test_what_passed_is_shown_and_what_lacks_a_part_is_left_out(folder: Path, options: tuple[str, ...]) -> None:
    code, said = run_tests(folder, "test_passes test_needs_docker", without_failures(), *options)
    assert (code, "not shown" in said) == (0, False), said
    assert "features of docs/features.md left out" in said
    assert "tests/test_it.py::test_needs_docker: no engine" in said


@pytest.mark.parametrize("options", [(), ("-n", "2")], ids=["alone", "with xdist"])
def test_a_test_that_is_gone_or_skips_itself_fails_the_run(folder: Path, options: tuple[str, ...]) -> None:
    code, said = run_tests(folder, "test_passes test_gone test_skips_itself", without_failures(), *options)
    assert code == 1, said
    assert "features of docs/features.md not shown" in said
    assert "test_it.py::test_gone: did not run" in said
    assert "test_it.py::test_skips_itself: was skipped, and not for a missing part" in said
    assert "test_passes:" not in said


def test_a_test_of_which_a_case_fails_is_not_shown(folder: Path) -> None:
    code, said = run_tests(folder, "test_passes test_fails test_fails_once test_has_a_broken_fixture", TESTS)
    assert code == 1
    for name in ("test_fails", "test_fails_once", "test_has_a_broken_fixture"):
        assert f"test_it.py::{name}: failed" in said


@pytest.mark.parametrize("options", [("-k", "passes"), ("-m", "not docker"), ("tests/test_it.py",), ("--co",)])
def test_a_run_of_some_tests_is_left_alone(folder: Path, options: tuple[str, ...]) -> None:
    code, said = run_tests(folder, "test_gone", without_failures(), *options)
    assert (code, "features of" in said) == (0, False), said


def test_a_run_that_was_ended_early_lists_nothing(folder: Path) -> None:
    code, said = run_tests(folder, "test_passes test_has_a_broken_fixture", TESTS, "-x")
    assert (code, "features of" in said) == (1, False), said


SHORT = """
import pytest
from tests import conftest
from tests.conftest import pytest_addoption, pytest_runtest_setup

def pytest_configure(config):
    config.addinivalue_line("markers", "slow: x")
    conftest.features.watch(config, ["slow"])
"""
SLOW = """
import pytest

def test_passes(): ...

@pytest.mark.slow
def test_takes_long(): print("it " + "ran")
"""


@pytest.mark.parametrize("options", [("-n", "2"), ("tests",)], ids=["with xdist", "a folder"])
def test_a_short_run_leaves_out_what_is_slow(folder: Path, options: tuple[str, ...]) -> None:
    (folder / "conftest.py").write_text(SHORT)
    code, said = run_tests(folder, "test_passes test_takes_long", SLOW, "-rP", *options)
    assert (code, "it ran" in said) == (0, False), said
    assert ("test_takes_long: only with --full" in said) == ("tests" not in options)


@pytest.mark.parametrize("options", [("--full", "-n", "2"), ("-m", "slow"), ("tests/test_it.py",)])
def test_a_full_run_and_one_that_names_a_file_leave_nothing_out(folder: Path, options: tuple[str, ...]) -> None:
    (folder / "conftest.py").write_text(SHORT)
    code, said = run_tests(folder, "test_passes test_takes_long", SLOW, "-rP", *options)
    assert (code, "it ran" in said) == (0, True), said
    assert "left out" not in said
