"""Packages of npm for tests, as their lock file pins them."""

from __future__ import annotations

import shutil
from pathlib import Path

from natsgen.harness.commands import run
from natsgen.harness.programs import need_program

INSTALL_SECONDS = 300.0


def installed(source: Path, folder: Path) -> Path:
    """Copies a folder with a `package-lock.json`, installs what that pins, and returns the copy."""
    shutil.copytree(source, folder)
    npm = need_program("npm", hint="install Node.js")
    quietly = ("--ignore-scripts", "--no-audit", "--no-fund", "--omit-lockfile-registry-resolved")
    run([npm, "ci", *quietly], limit=INSTALL_SECONDS, folder=folder)
    return folder
