"""`natsgen smoke` as a person types it, in a folder for temporary files of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from natsgen.rendering import template_source

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def temporary(tmp_path: Path) -> Path:
    """Where the command makes its temporary folders."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    return folder


@pytest.fixture
def start(temporary: Path, tmp_path: Path) -> Start:
    """Starts `natsgen smoke` with these arguments, in a process group of its own."""

    def start(*arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "natsgen", "smoke", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=tmp_path,
            env={**os.environ, "TMPDIR": str(temporary)},
            start_new_session=True,
        )

    return start


@pytest.fixture
def fork(tmp_path: Path) -> Path:
    """A team's own template: its folder has another name, and it asks one question more."""
    original = template_source.bundled().folder
    folder = tmp_path / "fork"
    folder.mkdir()
    shutil.copytree(original / "includes", folder / "includes")
    litter = shutil.ignore_patterns("__pycache__", ".*_cache")
    shutil.copytree(original / "template", folder / "blueprint", ignore=litter)
    questions = (original / "copier.yml").read_text()
    assert "_subdirectory: template\n" in questions
    questions = questions.replace("_subdirectory: template\n", "_subdirectory: blueprint\n")
    questions += """
team:
  type: str
  help: Team that is called when it breaks
  choices: [payments, logistics]
  default: logistics

audited:
  type: bool
  help: Whether auditors look at it
  default: false
"""
    (folder / "copier.yml").write_text(questions)
    readme = folder / "blueprint/services/{{ service_name }}/README.md.jinja"
    readme.write_text(readme.read_text() + "\nCall {{ team }}{% if audited %}, and tell the auditors{% endif %}.\n")
    return folder


def processes_of(folder: Path) -> list[str]:
    """The command lines of all processes that have to do with a folder."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if entry.name.isdigit() and int(entry.name) != os.getpid() and str(folder) in line:
                found.append(line)
        except (OSError, ValueError):
            continue
    return found
