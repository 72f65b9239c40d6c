"""An environment is made once for each set of requirements, however many ask for it."""

from __future__ import annotations

import concurrent.futures
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from natsgen.harness import environment
from natsgen.harness.environment import cache_folder, environment_for, prune
from natsgen.harness.errors import HarnessError

Owner = Callable[..., tuple[subprocess.Popen[str], str]]

INICONFIG = """\
iniconfig==2.1.0 \\
    --hash=sha256:3abbd2e30b36733fee78f9c7f7308f2d0050e88f0087fd25c2645f63c773e1c7 \\
    --hash=sha256:9deba5723312380e77435581c6bf4935c94cbfab9b1ed33ef8d238ea168eb760
"""


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder of its own for each test."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return cache_folder()


@pytest.fixture
def requirements(tmp_path: Path) -> Path:
    file = tmp_path / "requirements.txt"
    file.write_text(INICONFIG)
    return file


def imports(python: Path, module: str) -> bool:
    command = [str(python), "-c", f"import {module}"]
    return subprocess.run(command, capture_output=True, env={"PATH": os.environ["PATH"]}).returncode == 0


def made_at(python: Path) -> int:
    return (python.parents[1] / "pyvenv.cfg").stat().st_mtime_ns


def test_holds_what_is_required_and_nothing_else(requirements: Path) -> None:
    python = environment_for(requirements)
    assert imports(python, "iniconfig")
    assert not imports(python, "pytest")


def test_is_made_with_pip_where_there_is_no_uv(requirements: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "find_program", lambda name: None)
    assert imports(environment_for(requirements), "iniconfig")


def test_a_relative_path_to_the_interpreter_will_do(requirements: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(sys.executable).parent)
    assert imports(environment_for(requirements, "./python"), "iniconfig")


def test_is_made_once(requirements: Path, tmp_path: Path) -> None:
    python = environment_for(requirements)
    before = made_at(python)
    same = tmp_path / "elsewhere.txt"
    same.write_text(INICONFIG)
    assert environment_for(same) == python
    assert made_at(python) == before


def test_is_made_once_when_several_processes_ask_at_the_same_time(requirements: Path, cache: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from natsgen.harness.environment import environment_for as e;"
        "print(e(Path(sys.argv[1])))"
    )
    sources = str(Path(environment.__file__).parents[2])

    def ask(_: int) -> str:
        command = [sys.executable, "-c", program, str(requirements)]
        environ = {**os.environ, "PYTHONPATH": sources}
        return subprocess.run(command, check=True, capture_output=True, text=True, env=environ).stdout

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        answers = set(pool.map(ask, range(4)))
    assert len(answers) == 1
    assert len(list(cache.glob("*/pyvenv.cfg"))) == 1
    assert imports(Path(answers.pop().strip()), "iniconfig")


def test_another_set_gets_another_environment(requirements: Path) -> None:
    first = environment_for(requirements)
    requirements.write_text("")
    second = environment_for(requirements)
    assert second != first
    assert not imports(second, "iniconfig")


def test_a_change_in_an_included_file_counts(requirements: Path, tmp_path: Path) -> None:
    development = tmp_path / "requirements-dev.txt"
    development.write_text("-r requirements.txt\n")
    first = environment_for(development)
    assert imports(first, "iniconfig")
    requirements.write_text("")
    assert environment_for(development) != first


def test_a_half_made_one_is_made_again(requirements: Path) -> None:
    python = environment_for(requirements)
    (python.parents[1] / "natsgen-complete").unlink()  # as if its maker had been killed
    (python.parents[1] / "leftover").write_text("x")
    assert environment_for(requirements) == python
    assert not (python.parents[1] / "leftover").exists()


def test_a_failure_shows_what_the_installer_said_and_leaves_nothing(requirements: Path, cache: Path) -> None:
    requirements.write_text(INICONFIG.replace("3abb", "0000").replace("9deb", "0000"))
    with pytest.raises(HarnessError, match=r"(?si)requirements\.txt.*hash mismatch"):
        environment_for(requirements)
    assert not [entry for entry in cache.iterdir() if entry.is_dir()]


def test_a_requirement_without_hash_is_refused(requirements: Path) -> None:
    requirements.write_text("iniconfig==2.1.0\n")
    with pytest.raises(HarnessError, match=r"(?si)--require-hashes.*hash"):
        environment_for(requirements)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(HarnessError, match=r"cannot read the requirements .*absent\.txt: No such file"):
        environment_for(tmp_path / "absent.txt")


def test_only_what_was_not_used_for_long_is_removed(requirements: Path, cache: Path) -> None:
    old = environment_for(requirements)
    requirements.write_text("")
    fresh = environment_for(requirements)
    month_ago = time.time() - 31 * 24 * 3600
    os.utime(old.parents[1] / "natsgen-complete", (month_ago, month_ago))
    assert prune(cache) == [old.parents[1]]
    assert not old.exists()
    assert fresh.exists()
