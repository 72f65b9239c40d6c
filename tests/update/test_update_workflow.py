"""The scheduled jobs open one request for each service; a script stands in for the forge's own program."""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml

from natsgen.cli import main
from natsgen.services import ci_workflows
from tests.update import world
from tests.update.test_update import BILLING
from tests.update.world import FIRST, SECOND, Edit, Installed

Releases = Mapping[str, Installed]
LIMIT = 600.0  # seconds for a job, which takes ten
# gh pr create --head BRANCH --title TITLE ...
OPENS = '#!/bin/sh\n[ ! -e "$HOME/broken" ] && echo "$4 | $6" >> "$HOME/opened"\n'
ACCEPTS = """#!/bin/sh
read -r _ _ branch
title=${GIT_PUSH_OPTION_1#merge_request.title=}
[ -z "$GIT_PUSH_OPTION_0" ] || echo "${branch#refs/heads/} | $title" >> "$HOME/opened"
"""
RUNS = '#!/bin/sh\nexec {python} -m natsgen "$@"\n'


def script(server: str, shop: Path) -> str:
    """What the job runs, without what installs natsgen and what names the forge's own address."""
    if server == "github":
        workflow = yaml.safe_load((shop / ".github/workflows/natsgen-update.yml").read_text())
        text: str = workflow["jobs"]["update"]["steps"][-1]["run"]
        return text
    lines = yaml.safe_load((shop / ".gitlab-ci.yml").read_text())["update-services"]["script"]
    return "\n".join(line for line in lines if not line.startswith(("pip install", "git remote set-url")))


def run(server: str, installed: Installed, shop: Path, home: Path) -> tuple[int, list[str]]:
    """Runs the job; returns its exit code and the requests that were opened so far."""
    for name, text in (("gh", OPENS), ("natsgen", RUNS.format(python=installed.command()[0]))):
        (home / name).write_text(text)
        (home / name).chmod(stat.S_IRWXU)
    path = f"{home}{os.pathsep}{os.environ['PATH']}"
    environment = {**installed.environment, "PATH": path, "HOME": str(home), "CI_SERVER_HOST": "example.org"}
    done = subprocess.run(
        ["sh", "-ec", script(server, shop)], cwd=shop, env=environment, timeout=LIMIT, check=False, text=True,
        stderr=subprocess.PIPE,
    )  # fmt: skip
    assert "billing: conflict" in done.stderr, done.stderr
    opened = home / "opened"
    return done.returncode, opened.read_text().splitlines() if opened.exists() else []


@pytest.mark.parametrize("server", ci_workflows.SERVERS)
def test_each_service_gets_a_request_of_its_own_once(
    server: str, installed: Releases, made: Path, tmp_path: Path
) -> None:
    shop, home = tmp_path / "shop", tmp_path / "home"
    home.mkdir()
    world.fleet(made, shop, 2)
    installed[FIRST].do("new", "worker", "billing", "--subject", "orders.order.created", cwd=shop)
    Edit(BILLING / "src/config.py", "Field(30, ge=3", "Field(10, ge=3").make(shop)  # it will conflict
    assert main(["init", "--ci", server, "--workspace", str(shop)]) == 0
    world.commit(shop)
    origin = tmp_path / "origin.git"
    world.git(tmp_path, "clone", "--quiet", "--bare", shop, origin)
    world.git(origin, "config", "receive.advertisePushOptions", "true")
    (origin / "hooks/pre-receive").write_text(ACCEPTS)
    (origin / "hooks/pre-receive").chmod(stat.S_IRWXU)
    world.git(shop, "remote", "add", "origin", origin)

    if server == "github":  # where a branch is pushed first, it goes again if no request can be opened
        (home / "broken").touch()
        assert run(server, installed[SECOND], shop, home) == (1, [])
        assert world.git(shop, "ls-remote", "origin", "natsgen/*") == ""
        (home / "broken").unlink()

    code, opened = run(server, installed[SECOND], shop, home)

    names = ("worker-00", "worker-01")
    assert code == 1
    assert opened == [f"natsgen/{name}-{SECOND} | {name}: template {SECOND}" for name in names]
    for name in names:
        changed = world.git(shop, "diff", "--name-only", "main", f"origin/natsgen/{name}-{SECOND}").split()
        assert changed
        assert all(name in path for path in changed)
    assert run(server, installed[SECOND], shop, home) == (1, opened)  # the second week, nothing is opened twice
