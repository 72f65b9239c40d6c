from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from natsgen.errors import LockedError
from natsgen.transaction import lock

HOLDER = """
import sys
from pathlib import Path
from natsgen.transaction import lock
with lock.exclusive(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def holder(tmp_path: Path, environment: dict[str, str]) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    assert process.stdout.readline() == "held\n"
    return process


def test_a_second_command_says_why_it_does_not_start(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    with pytest.raises(LockedError, match="another natsgen command"), lock.exclusive(tmp_path, wait=0.1):
        pass
    holder.communicate("done\n", timeout=10)


def test_a_second_command_starts_as_soon_as_the_first_has_ended(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    holder.communicate("done\n", timeout=10)
    with lock.exclusive(tmp_path, wait=0):
        assert list(tmp_path.iterdir()) == []


def test_the_lock_of_a_killed_command_is_free(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    holder.kill()
    holder.communicate(timeout=10)
    with lock.exclusive(tmp_path, wait=0):
        pass
