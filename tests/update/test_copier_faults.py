"""What plain `copier update` does to a monorepo, and natsgen does not: each fault is shown with Copier first.

If one of the Copier halves fails some day, Copier has mended it; natsgen's half must hold anyway. Copier's halves are
slow: they prove somebody else's fault.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.update import world
from tests.update.test_update import BILLING, files_of
from tests.update.world import FIRST, SECOND, THIRD, Edit, Installed

Releases = Mapping[str, Installed]
TOOLS = [pytest.param("copier", marks=pytest.mark.slow), "natsgen"]


def monorepo(installed: Releases, folder: Path, *names: str) -> Path:
    """A repository with a frontend in it, and the workspace with workers of the first release beside that."""
    place = folder / "backend"
    place.mkdir(parents=True)
    for name in names:
        installed[FIRST].do("new", "worker", name, "--subject", "orders.order.created", cwd=place)
    (folder / "frontend").mkdir()
    (folder / "frontend" / "page.html").write_text("committed\n")
    (folder / ".gitignore").write_text("*.rej\n")
    world.commit(folder)
    return place


def test_plain_copier_still_updates_what_natsgen_made(installed: Releases, tmp_path: Path) -> None:
    place = monorepo(installed, tmp_path, "billing")
    done = world.copier(installed[SECOND], place, "billing")
    assert done.returncode == 0, done.stderr
    assert f"_commit: {SECOND}" in (place / BILLING / ".copier-answers.yml").read_text()
    with_copier = files_of(place)
    world.git(tmp_path, "reset", "--quiet", "--hard")
    world.git(tmp_path, "clean", "--quiet", "--force", "-d")
    installed[SECOND].do("update", "billing", cwd=place)
    assert files_of(place) == with_copier
    world.commit(tmp_path)
    done = world.copier(installed[THIRD], place, "billing")  # and after natsgen's own update
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("tool", TOOLS)
def test_a_leftover_rej_costs_uncommitted_work_elsewhere(installed: Releases, tmp_path: Path, tool: str) -> None:
    place = monorepo(installed, tmp_path, "billing")
    page = tmp_path / "frontend" / "page.html"
    page.write_text("a day's work\n")
    page.with_name("page.html.rej").write_text("left over\n")

    if tool == "copier":
        assert world.copier(installed[SECOND], place, "billing").returncode == 0
        assert page.read_text() == "committed\n"
    else:
        installed[SECOND].do("update", "billing", cwd=place)
        assert page.read_text() == "a day's work\n"
        assert page.with_name("page.html.rej").exists()


@pytest.mark.parametrize("tool", TOOLS)
def test_a_conflict_leaves_an_unmerged_index_and_blocks_the_others(
    installed: Releases, tmp_path: Path, tool: str
) -> None:
    place = monorepo(installed, tmp_path, "billing", "a")
    Edit(BILLING / "src/config.py", "Field(30, ge=3", "Field(10, ge=3").make(place)
    world.commit(tmp_path)

    if tool == "copier":
        assert world.copier(installed[SECOND], place, "billing").returncode == 0
        assert world.git(tmp_path, "ls-files", "--unmerged") != ""
        assert world.copier(installed[SECOND], place, "a").returncode != 0
    else:
        done = installed[SECOND].run("update", "billing", "a", "--json", cwd=place)
        assert [one["status"] for one in json.loads(done.stdout)["services"]] == ["conflicting", "updated"]
        assert done.returncode == 1
        assert world.git(tmp_path, "ls-files", "--unmerged") == ""
        assert "services/a" in world.git(tmp_path, "status", "--porcelain")
        assert "services/billing" not in world.git(tmp_path, "status", "--porcelain")


def test_commands_at_the_same_time_wait_for_each_other(installed: Releases, tmp_path: Path) -> None:
    names = ("a", "b")
    place = monorepo(installed, tmp_path, *names)
    natsgen = installed[SECOND]
    running = [
        subprocess.Popen(natsgen.command("update", name), cwd=place, env=natsgen.environment, stdout=subprocess.DEVNULL)
        for name in names
    ]
    assert [process.wait(timeout=120) for process in running] == [0, 0]
    natsgen.do("check", "--all", cwd=place)
