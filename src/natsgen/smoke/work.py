"""One sample's folder, answers and commands."""

from __future__ import annotations

import os
import shlex
import threading
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from natsgen.answers import answers
from natsgen.answers.given_answers import GivenAnswers
from natsgen.answers.questions import Questionnaire
from natsgen.files.workspace import COMPOSE, SERVICES, Workspace
from natsgen.harness.commands import Completed, run
from natsgen.harness.docker_engine import Availability
from natsgen.harness.environment import environment_for
from natsgen.harness.errors import CommandFailed
from natsgen.harness.programs import find_program
from natsgen.harness.reaper import Reaper
from natsgen.rendering.template_source import TemplateSource
from natsgen.services import create
from natsgen.services.writer import Writer
from natsgen.smoke.matrix import Sample
from natsgen.smoke.steps import CheckFailed, LeftOut, Stopping

KEPT_VARIABLES = ("PATH", "HOME", "LANG", "DOCKER_HOST", "DOCKER_CONFIG")
"""The only variables of this process's environment that commands see, so that no other can affect a result."""

ENGINE_SECONDS = 60.0
PULL_SECONDS = 600.0
ONE_AT_A_TIME = threading.Lock()
"""Held while rendering, because Copier changes the state of the whole process."""


@dataclass(frozen=True)
class Work:
    """A sample and its folder.

    Attributes:
        sample: the service to generate.
        template: the template to render.
        questionnaire: the template's questions.
        root: the sample's folder, for the workspace, logs and caches.
        run_id: identifies the run; part of every name that is global to the engine or Consul.
        docker: whether containers can run.
        stopping: tells whether the run was stopped.
    """

    sample: Sample
    template: TemplateSource
    questionnaire: Questionnaire
    root: Path
    run_id: str
    docker: Availability
    stopping: Stopping

    @cached_property
    def workspace(self) -> Workspace:
        """Return the workspace; its folder's name becomes that of the compose project and its network."""
        return Workspace((self.root / f"smoke-{self.run_id}-{self.sample.name}").resolve())

    @cached_property
    def answers(self) -> Mapping[str, Any]:
        """Return the sample's answers, with names unique where they are global to the engine."""
        unique = {
            key: f"{self.sample.answers[key]}-{self.run_id}-{self.sample.name}"
            for key in ("network", "registry")
            if key in self.sample.answers
        }
        return {**self.sample.answers, **unique}

    @property
    def service(self) -> str:
        """Return the service's name."""
        return self.sample.service

    @property
    def folder(self) -> Path:
        """Return the service's folder."""
        return self.workspace.root / SERVICES / self.service

    @property
    def compose_file(self) -> Path:
        """Return the service's compose file."""
        return self.workspace.root / COMPOSE / f"{self.service}.yml"

    @property
    def bytecode(self) -> Path:
        """Return where Python writes bytecode: outside the service's folder, and shared by all samples of a run."""
        return self.root.parent / "shared" / "bytecode"

    def generate(self) -> str:
        """Generate the service."""
        return f"{self.create(self.workspace, self.template)} files"

    def create(self, workspace: Workspace, template: TemplateSource) -> int:
        """Generate the service in a workspace as `natsgen new` does; return how many files it has."""
        with ONE_AT_A_TIME:
            given = GivenAnswers.of(self.answers)
            complete = answers.complete(given, self.questionnaire, workspace.root)
            created = create.new_service(
                Writer(workspace, False, lambda _: None), template, self.questionnaire, complete
            )
        return len(created.change.added)

    def python(self, requirements: str = "requirements-dev.txt") -> Path:
        """Return the interpreter of an environment with these requirements, shared by equal pins."""
        return environment_for(self.folder / requirements)

    def command(self, *words: str | Path, limit: float, what: str, folder: Path | None = None) -> Completed:
        """Run a command in `folder` (default: the service's) with a minimal environment.

        Raises:
            CheckFailed: its exit code is not 0, or it does not end within `limit` seconds; `what` begins the message.
        """
        self.stopping.check()
        folder = folder or self.folder
        try:
            return run(words, limit=limit, folder=folder, environment=self._environment())
        except CommandFailed as error:
            how = f"not within {limit:g} s" if error.exit_code is None else f"exit code {error.exit_code}"
            typed = f"(cd {shlex.quote(str(folder))} && {shlex.join(error.command)})"
            raise CheckFailed(f"{what} ({how})", command=typed, log=error.output) from error

    def need_docker(self) -> None:
        """Raise `LeftOut` if containers cannot run."""
        if not self.docker:
            raise LeftOut(self.docker.reason)

    def _environment(self) -> dict[str, str]:
        temporary = self.root / "temporary"
        temporary.mkdir(parents=True, exist_ok=True)
        return {
            **{name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ},
            "TMPDIR": str(temporary),
            # keep caches out of the service's folder
            "PYTHONPYCACHEPREFIX": str(self.bytecode),
            "MYPY_CACHE_DIR": str(self.root / "caches/mypy"),
            "RUFF_CACHE_DIR": str(self.root / "caches/ruff"),
            # neither read nor change the user's configuration of git and natsgen
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_NOSYSTEM": "1",
            "XDG_CONFIG_HOME": os.devnull,
        }


def need_program(name: str) -> Path:
    """Return the path of a program. Raises `LeftOut` if it is not installed."""
    program = find_program(name)
    if program is None:
        raise LeftOut(f"`{name}` is not installed")
    return program


def on_engine(stack: ExitStack, create: tuple[str, ...], remove: tuple[str, ...]) -> None:
    """Create something with `docker`; it is removed at the end of the stack, or when this process dies."""
    stack.enter_context(Reaper("docker", *remove))
    run(["docker", *create], limit=PULL_SECONDS)
    stack.callback(run, ["docker", *remove], limit=ENGINE_SECONDS, check=False)
