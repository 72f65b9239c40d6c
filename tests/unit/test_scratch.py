"""What a killed natsgen leaves in the folder for temporary files does not stay there for ever."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from natsgen.files import scratch

DIES = """
import os, signal
from natsgen.files import scratch
with scratch.folder() as folder:
    (folder / "file").touch()
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    scratch._remove_left.cache_clear()
    return tmp_path


def age(path: Path, seconds: float) -> None:
    then = time.time() - seconds
    os.utime(path, (then, then), follow_symlinks=False)


def test_what_a_killed_command_left_is_removed_a_day_later(temporary: Path) -> None:
    died = subprocess.run([sys.executable, "-c", DIES], env={**os.environ, "TMPDIR": str(temporary)}, check=False)
    assert died.returncode == -signal.SIGKILL
    (left,) = temporary.iterdir()

    with scratch.folder() as folder:
        assert {path.name for path in temporary.iterdir()} == {left.name, folder.name}  # it may be in use
    age(left, scratch.LEFT_AFTER + 60)
    scratch._remove_left.cache_clear()
    with scratch.folder() as folder:
        assert list(temporary.iterdir()) == [folder]
    assert list(temporary.iterdir()) == []


def test_nothing_else_is_removed(temporary: Path) -> None:
    (temporary / "elsewhere").mkdir()
    others = [temporary / "natsgen-kept", temporary / f"{scratch.PREFIX}file", temporary / f"{scratch.PREFIX}link"]
    others[0].mkdir()
    others[1].touch()
    others[2].symlink_to(temporary / "elsewhere")
    for other in others:
        age(other, scratch.LEFT_AFTER * 10)

    with scratch.folder():
        pass

    assert all(map(os.path.lexists, [*others, temporary / "elsewhere"]))
