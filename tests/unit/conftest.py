"""What several unit tests need: a small template, and natsgen as a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import natsgen
from natsgen.files.workspace import Workspace
from natsgen.rendering.template_source import TemplateSource

LIMIT = 300.0  # seconds for a command, which takes one unless the machine is busy
Run = Callable[..., subprocess.CompletedProcess[str]]

COPIER_YML = """
_subdirectory: template
_answers_file: services/{{ service_name }}/.copier-answers.yml
_skip_if_exists: [compose/shared.yml]
service_name: {type: str, help: Name}
handlers: {type: yaml, help: Handlers}
description: {type: str, help: Text, default: "Handles {{ service_name }}"}
dedup: {type: str, choices: {"no inbox": none, "Redis": redis}, default: none}
"""


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """An empty workspace."""
    root = tmp_path / "shop"
    root.mkdir()
    return Workspace(root)


@pytest.fixture
def template(tmp_path: Path) -> TemplateSource:
    """A template of a few files: enough for what renders, without the worker's own content."""
    folder = tmp_path / "small template"
    service = folder / "template" / "services" / "{{ service_name }}"
    service.mkdir(parents=True)
    (folder / "copier.yml").write_text(COPIER_YML)
    (service / "{{ _copier_conf.answers_file.name }}.jinja").write_text("# note\n{{ _copier_answers|to_nice_yaml }}")
    (service / "text.txt.jinja").write_text("{{ description }}\n")
    (service / "run.sh").write_text("#!/bin/sh\n")
    (service / "run.sh").chmod(0o755)
    (service / "empty").touch()
    compose = folder / "template" / "compose"
    compose.mkdir()
    (compose / "{{ service_name }}.yml.jinja").write_text("name: {{ service_name }}\n")
    (compose / "shared.yml").write_text("shared: true\n")
    return TemplateSource(folder, "https://example.org/template.git", "v1.2.3")


@pytest.fixture
def environment() -> dict[str, str]:
    """The environment of a process that shall import this natsgen, and that nothing of the person's can change."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("COPIER_", "NATSGEN_", "GIT_"))}
    return {**kept, "PYTHONPATH": str(Path(natsgen.__file__).parents[1])}


@pytest.fixture
def natsgen_process(tmp_path: Path, environment: dict[str, str]) -> Run:
    """Runs natsgen in a process: `natsgen_process("new", "worker", ..., cwd=folder)`."""

    def run(*arguments: str, cwd: Path = tmp_path, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "natsgen", *arguments],
            cwd=cwd,
            env={**environment, **variables},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=LIMIT,
        )

    return run
