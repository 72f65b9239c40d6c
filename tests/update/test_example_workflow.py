"""The example workflow opens one pull request for each service; the forge's own program is played by a script."""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Mapping
from pathlib import Path

import yaml

from tests.update import world
from tests.update.test_update import BILLING
from tests.update.world import FIRST, SECOND, Edit, Installed

Releases = Mapping[str, Installed]
EXAMPLE = world.REPOSITORY / "docs/examples/natsgen-update.yml"
OPENS = '#!/bin/sh\necho "$@" >> "$RUNNER_TEMP/opened"\n'
RUNS = '#!/bin/sh\nexec {python} -m natsgen "$@"\n'


def script() -> str:
    """What the last step runs."""
    workflow = yaml.safe_load(EXAMPLE.read_text())
    text: str = workflow["jobs"]["update"]["steps"][-1]["run"]
    return text


def run(installed: Installed, folder: Path, temporary: Path) -> tuple[int, list[str]]:
    """Runs the step as the forge does; returns its exit code and the pull requests that were opened so far."""
    programs = temporary / "bin"
    programs.mkdir(exist_ok=True)
    for name, text in (("gh", OPENS), ("natsgen", RUNS.format(python=installed.command()[0]))):
        (programs / name).write_text(text)
        (programs / name).chmod(stat.S_IRWXU)
    path = f"{programs}{os.pathsep}{os.environ['PATH']}"
    environment = {**installed.environment, "PATH": path, "RUNNER_TEMP": str(temporary)}
    done = subprocess.run(["bash", "-e", "-c", script()], cwd=folder, env=environment, timeout=120, check=False)
    opened = temporary / "opened"
    return done.returncode, opened.read_text().splitlines() if opened.exists() else []


def test_each_service_gets_a_pull_request_of_its_own_once(installed: Releases, made: Path, tmp_path: Path) -> None:
    shop = tmp_path / "shop"
    world.fleet(made, shop, 2)
    installed[FIRST].do("new", "worker", "billing", "--subject", "orders.order.created", cwd=shop)
    Edit(BILLING / "src/config.py", "Field(30, ge=3", "Field(10, ge=3").make(shop)  # it will conflict
    world.commit(shop)
    world.git(tmp_path, "clone", "--quiet", "--bare", shop, "origin.git")
    world.git(shop, "remote", "add", "origin", tmp_path / "origin.git")
    temporary = tmp_path / "temporary"
    temporary.mkdir()

    code, opened = run(installed[SECOND], shop, temporary)

    assert code == 1
    assert [line.split("--title ")[1].split(" --body")[0] for line in opened] == [
        f"worker-00: template {SECOND}",
        f"worker-01: template {SECOND}",
    ]
    for name in ("worker-00", "worker-01"):
        changed = world.git(shop, "diff", "--name-only", "main", f"origin/natsgen/{name}-{SECOND}").split()
        assert changed
        assert all(name in path for path in changed)
    world.git(shop, "switch", "--quiet", "main")
    assert run(installed[SECOND], shop, temporary) == (1, opened)  # the second week, nothing is opened twice
