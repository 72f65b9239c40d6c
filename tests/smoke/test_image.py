"""The image by itself, without Compose, of a checkout that nobody else may read."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from natsgen.harness.waiting import wait_until

pytestmark = pytest.mark.docker


def run(*words: str, cwd: Path, umask: int = -1) -> str:
    done = subprocess.run(words, cwd=cwd, umask=umask, timeout=300, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The image of a checkout that a strict umask has made."""
    workspace = tmp_path_factory.mktemp("workspace")
    new = ("new", "worker", "billing", "--subject", "orders.order.created", "--no-input")
    run(sys.executable, "-m", "natsgen", *new, cwd=workspace, umask=0o077)
    service = workspace / "services/billing"
    assert (service / "src/main.py").stat().st_mode & 0o077 == 0
    for name, mode in {"src/config.py": 0o400, "pyproject.toml": 0o640, "src/domain": 0o710, "src": 0o700}.items():
        (service / name).chmod(mode)
    name = f"natsgen-test-image-{uuid.uuid4().hex[:12]}"
    try:
        run("docker", "build", "--quiet", "--tag", name, os.fspath(service), cwd=workspace)
        yield name
    finally:
        subprocess.run(["docker", "rmi", "--force", name], check=False, capture_output=True, timeout=60)


def test_its_user_can_read_what_a_strict_umask_wrote(image: str, tmp_path: Path) -> None:
    run("docker", "run", "--rm", image, "python", "-c", "import src.main", cwd=tmp_path)


def test_what_handlers_leave_behind_is_reaped_and_a_signal_stops_it(image: str, tmp_path: Path) -> None:
    """Also without `--init`: the first process waits for every orphan, and passes signals on."""
    container = run("docker", "run", "--detach", "--env", "CONSUL_ENABLED=false", image, cwd=tmp_path).strip()

    def inside(script: str) -> str:
        return run("docker", "exec", container, "sh", "-c", script, cwd=tmp_path)

    try:
        wait_until(
            lambda: "worker starting" in run("docker", "logs", container, cwd=tmp_path), limit=20, what="a start"
        )
        inside('for i in 1 2 3; do sh -c "sleep 0.2 & exit 0"; done')
        inside("setsid sh -c 'sleep 0.1 & sleep 0.3 & kill -9 $$' || true")  # and of one that was killed
        inside("python -c 'import os; os.fork() or os.fork() or os._exit(1); os._exit(0)'")  # and a grandchild's
        states = lambda: [line.split(") ")[1][0] for line in inside("cat /proc/[0-9]*/stat").splitlines()]  # noqa: E731
        wait_until(lambda: "sleep" not in inside("cat /proc/[0-9]*/comm"), limit=30, what="the orphans to end")
        wait_until(lambda: "Z" not in states(), limit=30, what="no zombie")

        run("docker", "stop", "--time", "20", container, cwd=tmp_path)
        assert run("docker", "inspect", "--format", "{{.State.ExitCode}}", container, cwd=tmp_path).strip() == "0"
        assert "worker stopped" in run("docker", "logs", container, cwd=tmp_path)
    finally:
        subprocess.run(["docker", "rm", "--force", container], check=False, capture_output=True, timeout=60)
