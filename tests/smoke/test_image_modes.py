"""The image of a checkout that nobody else may read, as a strict umask makes it."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

pytestmark = pytest.mark.docker


def run(*words: str, cwd: Path, umask: int = -1) -> str:
    done = subprocess.run(words, cwd=cwd, umask=umask, timeout=300, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_its_user_can_read_what_a_strict_umask_wrote(tmp_path: Path) -> None:
    new = ("new", "worker", "billing", "--subject", "orders.order.created", "--no-input")
    run(sys.executable, "-m", "natsgen", *new, cwd=tmp_path, umask=0o077)
    service = tmp_path / "services/billing"
    assert (service / "src/main.py").stat().st_mode & 0o077 == 0
    image = f"natsgen-test-modes-{uuid.uuid4().hex[:12]}"
    try:
        run("docker", "build", "--quiet", "--tag", image, os.fspath(service), cwd=tmp_path)
        run("docker", "run", "--rm", image, "python", "-c", "import src.main", cwd=tmp_path)
    finally:
        subprocess.run(["docker", "rmi", "--force", image], check=False, capture_output=True, timeout=60)
