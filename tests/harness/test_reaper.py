"""The clean-up happens when the owner is gone, and only then."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

from natsgen.harness.reaper import Reaper, temporary_folder
from natsgen.harness.waiting import wait_until

Owner = Callable[..., tuple[subprocess.Popen[str], str]]


def test_a_dismissed_reaper_does_nothing(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    bystander = subprocess.Popen(["sleep", "60"], start_new_session=True)
    try:
        reaper = Reaper("rm", "-rf", str(kept))
        reaper.guard(bystander.pid)
        reaper.dismiss()
        reaper.dismiss()
        assert kept.exists()
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


def test_a_clean_up_that_fails_is_tried_again(tmp_path: Path, owner: Owner) -> None:
    marker = tmp_path / "marker"
    program = """
        import sys
        from natsgen.harness.reaper import Reaper

        Reaper("sh", "-c", 'if [ -e "$0" ]; then echo again >> "$0"; else echo once > "$0"; exit 1; fi', sys.argv[1])
    """
    owner(program, marker)
    wait_until(lambda: marker.read_text() == "once\nagain\n", limit=30, what="the second try")


def test_a_temporary_folder_ends_with_its_block() -> None:
    with temporary_folder() as folder:
        (folder / "sub").mkdir()
        (folder / "sub" / "file").write_text("x")
    assert not folder.exists()


def test_a_temporary_folder_ends_with_a_killed_owner(owner: Owner) -> None:
    program = """
        import signal
        from natsgen.harness.reaper import temporary_folder

        with temporary_folder() as folder:
            (folder / "a file").write_text("x")
            print(folder, flush=True)
            signal.pause()
    """
    process, line = owner(program)
    assert (Path(line) / "a file").exists()
    process.kill()
    wait_until(lambda: not Path(line).exists(), limit=30, what="the folder to be removed")
