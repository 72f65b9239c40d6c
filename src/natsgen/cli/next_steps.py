"""The commands to run next, for a POSIX shell in the current folder."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from natsgen.files.workspace import Workspace


def to_install(workspace: Workspace, service: str, here: Path) -> str:
    """Return the command that installs the service's requirements in its virtual environment."""
    folder = _service_folder(workspace, service, here)
    return f"(cd {folder} && python3 -m venv .venv && .venv/bin/pip install -r requirements-dev.txt)"


def to_test(workspace: Workspace, service: str, here: Path, path: str = "tests/") -> str:
    """Return the command that runs the service's tests, or those in `path`."""
    return f"(cd {_service_folder(workspace, service, here)} && .venv/bin/pytest {shlex.quote(path)})"


def to_run(workspace: Workspace, service: str, here: Path) -> str:
    """Return the command that builds and starts the service with its infrastructure."""
    file = shlex.quote(seen_from(here, workspace.root / "compose" / f"{service}.yml"))
    return f"docker compose -f {file} up -d --build --wait"


def to_develop(workspace: Workspace, here: Path) -> str:
    """Return the command that runs the services on this machine, without Docker."""
    if here.resolve().is_relative_to(workspace.root):
        return "natsgen dev"
    return f"natsgen dev --workspace {shlex.quote(str(workspace.root))}"


def seen_from(here: Path, path: Path) -> str:
    """Return a path as typed in `here`: relative within the workspace, otherwise absolute."""
    relative = os.path.relpath(path, here.resolve())
    if relative.startswith("../") and not here.resolve().is_relative_to(path.parents[1]):
        return str(path)
    return f"./{relative}" if relative.startswith("-") else relative


def _service_folder(workspace: Workspace, service: str, here: Path) -> str:
    return shlex.quote(seen_from(here, workspace.root / "services" / service))
