"""Many services at once: all of them, in parallel, and whatever happens to the process, each one whole."""

from __future__ import annotations

import os
import pty
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import pytest

from natsgen.files.workspace import Workspace
from natsgen.transaction import transaction
from tests.update import world
from tests.update.test_update import files_of
from tests.update.world import SECOND, THIRD, Installed

Releases = Mapping[str, Installed]
SERVICES = 30
KILLS = int(os.environ.get("KILLS", "2"))  # one at a random moment, one while a service is written
SEED = int(os.environ.get("SEED", "0")) or random.SystemRandom().randrange(1, 10**6)


@pytest.fixture(scope="module")
def old(installed: Releases, made: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fleet of the first release."""
    folder = tmp_path_factory.mktemp("fleet") / "shop"
    world.fleet(made, folder, SERVICES)
    return folder


@pytest.fixture(scope="module")
def updated(installed: Releases, old: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, float]:
    """The fleet after its update, and the seconds that it took."""
    folder = tmp_path_factory.mktemp("updated") / "shop"
    shutil.copytree(old, folder)
    began = time.monotonic()
    said = installed[THIRD].do("update", "--all", cwd=folder)
    took = time.monotonic() - began
    assert said.splitlines()[-1] == f"{SERVICES} updated, 0 current, 0 conflicting, 0 failed"
    return folder, took


def each_service(folder: Path) -> dict[str, dict[str, bytes]]:
    """The files of each service, by its name; read once, as there are thousands."""
    files = files_of(folder)
    return {
        name: {path: content for path, content in files.items() if name in path}
        for name in Workspace(folder).services()
    }


def ends(group: int, limit: float = 10) -> bool:
    """Whether no process of the group runs any more, at the latest after so many seconds."""
    deadline = time.monotonic() + limit
    while time.monotonic() < deadline:
        if group not in running_groups():
            return True
        time.sleep(0.05)
    return False


def running_groups() -> set[int]:
    """Those of all processes that have not ended; in a container, nobody may have waited for one that has."""
    groups = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has ended meanwhile
            state, _, group = stat.read_text().rpartition(")")[2].split()[:3]
            if state != "Z":
                groups.add(int(group))
    return groups


def start(natsgen: Installed, folder: Path) -> subprocess.Popen[str]:
    """Starts the update of the fleet, in a process group of its own."""
    return subprocess.Popen(
        natsgen.command("update", "--all"),
        cwd=folder,
        env=natsgen.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def wait_until_changed(folder: Path, service: str, process: subprocess.Popen[str]) -> None:
    """Waits until the update is writing that service, or has ended."""
    file = folder / f"services/{service}/Dockerfile"
    before = file.stat().st_ino
    deadline = time.monotonic() + 120
    while process.poll() is None and file.exists() and file.stat().st_ino == before:
        assert time.monotonic() < deadline
        time.sleep(0.001)


def test_a_fleet_becomes_current_and_as_made(installed: Releases, updated: tuple[Path, float]) -> None:
    installed[THIRD].do("check", "--all", cwd=updated[0])


def test_killed_at_any_moment_each_service_is_old_or_new_and_the_next_run_completes(
    installed: Releases, old: Path, updated: tuple[Path, float], tmp_path: Path
) -> None:
    new, took = updated
    chosen = random.Random(SEED)
    before, after = each_service(old), each_service(new)
    natsgen = installed[THIRD]
    for number in range(KILLS):
        folder = tmp_path / str(number) / "shop"
        shutil.copytree(old, folder)
        moment = chosen.uniform(0, took) if number % 2 else None
        process = start(natsgen, folder)
        if moment is None:
            wait_until_changed(folder, chosen.choice(list(before)), process)
            time.sleep(chosen.uniform(0, took / SERVICES))
        else:
            time.sleep(moment)
        process.kill()
        process.wait()
        assert ends(process.pid), f"its helpers outlived it (SEED={SEED})"
        with transaction.session(Workspace(folder), str):
            pass  # what the next command does first
        found = each_service(folder)
        torn = [name for name in before if found[name] not in (before[name], after[name])]
        assert torn == [], f"killed after {moment} s (SEED={SEED})"
        natsgen.do("update", "--all", cwd=folder)
        assert files_of(folder) == files_of(new)
        assert not (folder / ".natsgen").exists()
        shutil.rmtree(folder)


def test_interrupted_it_ends_with_130_and_nothing_half_done(
    installed: Releases, old: Path, updated: tuple[Path, float], tmp_path: Path
) -> None:
    new, _ = updated
    folder = tmp_path / "shop"
    shutil.copytree(old, folder)
    natsgen = installed[THIRD]
    process = start(natsgen, folder)
    wait_until_changed(folder, "worker-05", process)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    assert process.communicate(timeout=30)[1] == "natsgen: interrupted\n"
    assert process.returncode == 130
    assert ends(process.pid)
    before, after = each_service(old), each_service(new)
    assert all(files in (before[name], after[name]) for name, files in each_service(folder).items())
    assert not (folder / ".natsgen").exists()
    natsgen.do("update", "--all", cwd=folder)
    assert files_of(folder) == files_of(new)


def test_on_a_terminal_a_bar_tells_how_far_it_is(installed: Releases, old: Path) -> None:
    natsgen = installed[THIRD]
    at_once = "import sys; from natsgen.cli import main, progress; progress.MOMENT = 0; sys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-c", at_once, "update", *Workspace(old).services()[:4], "--dry-run"]
    controller, terminal = pty.openpty()
    variables = {**natsgen.environment, "TERM": "xterm", "COLUMNS": "100"}
    with subprocess.Popen(command, cwd=old, env=variables, stdout=subprocess.DEVNULL, stderr=terminal) as process:
        os.close(terminal)
        said = read_to_the_end(controller)
    assert process.returncode == 0
    assert "updating" in said
    assert "4/4" in said


def read_to_the_end(descriptor: int) -> str:
    """What comes from a terminal until nobody has it open any more."""
    found = b""
    with suppress(OSError), os.fdopen(descriptor, "rb", buffering=0) as file:  # Linux has no end of file there
        while part := file.read(65536):
            found += part
    return found.decode(errors="replace")


def test_one_broken_service_does_not_stop_the_others(installed: Releases, old: Path, tmp_path: Path) -> None:
    folder = tmp_path / "shop"
    shutil.copytree(old, folder)
    names = Workspace(folder).services()
    (folder / f"services/{names[0]}/.copier-answers.yml").write_text(": no yaml")
    for name in names[4:]:
        shutil.rmtree(folder / "services" / name)
    (folder / f"services/{names[1]}/Dockerfile").write_text("uncommitted")
    done = installed[SECOND].run("update", "--all", cwd=folder)
    assert done.returncode == 1
    rows = [line.split()[:2] for line in done.stdout.splitlines()[:4]]
    assert rows == [[names[0], "failed"], [names[1], "failed"], [names[2], "updated"], [names[3], "updated"]]
