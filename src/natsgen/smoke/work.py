"""One sample as it is worked on: where it is, what it was made of, and how commands are run in it."""

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
from natsgen.workspace import COMPOSE, SERVICES, Workspace

KEPT_VARIABLES = ("PATH", "HOME", "LANG", "DOCKER_HOST", "DOCKER_CONFIG")
"""What the commands see of this process's environment: nothing that happens to be set may decide whether they pass."""

ENGINE_SECONDS = 60.0
PULL_SECONDS = 600.0
ONE_AT_A_TIME = threading.Lock()
"""Held by whoever renders: Copier changes what belongs to the whole process."""


@dataclass(frozen=True)
class Work:
    """A sample and its folder.

    Attributes:
        sample: what is made.
        template: what makes it.
        questionnaire: the template's questions.
        root: a folder of its own, for the workspace, logs and caches.
        run_id: of the whole run; what the engine or Consul knows globally has it in its name.
        docker: whether containers can be run.
        stopping: whether the run goes on.
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
        """Where the service is made; the folder's name becomes that of the compose project and of its network."""
        return Workspace((self.root / f"smoke-{self.run_id}-{self.sample.name}").resolve())

    @cached_property
    def answers(self) -> Mapping[str, Any]:
        """What the template is told: the sample's answers, names that the whole engine knows made unique."""
        unique = {
            key: f"{self.sample.answers[key]}-{self.run_id}-{self.sample.name}"
            for key in ("network", "registry")
            if key in self.sample.answers
        }
        return {**self.sample.answers, **unique}

    @property
    def service(self) -> str:
        """The service's name."""
        return self.sample.service

    @property
    def folder(self) -> Path:
        """The service's folder."""
        return self.workspace.root / SERVICES / self.service

    @property
    def compose_file(self) -> Path:
        """The file that starts it in containers."""
        return self.workspace.root / COMPOSE / f"{self.service}.yml"

    @property
    def bytecode(self) -> Path:
        """Where Python keeps what it compiles: the service's folder stays as it was made, and all samples of a run
        share what they have in common.
        """
        return self.root.parent / "shared" / "bytecode"

    def generate(self) -> str:
        """Make the service."""
        return f"{self.make(self.workspace, self.template)} files"

    def make(self, workspace: Workspace, template: TemplateSource) -> int:
        """Make the service as `natsgen new` does, somewhere, of some template; return how many files it has."""
        with ONE_AT_A_TIME:
            given = GivenAnswers.of(self.answers)
            complete = answers.complete(given, self.questionnaire, workspace.root)
            made = create.new_service(Writer(workspace, False, lambda _: None), template, self.questionnaire, complete)
        return len(made.change.added)

    def python(self, requirements: str = "requirements-dev.txt") -> Path:
        """Return the interpreter of an environment with what that file pins, made once for all that pin the same."""
        return environment_for(self.folder / requirements)

    def command(self, *words: str | Path, limit: float, what: str, folder: Path | None = None) -> Completed:
        """Run a command in the service's folder, or another one, in a bare environment.

        Raises:
            CheckFailed: it ended with another exit code than 0, or not within `limit` seconds; `what` says, in a few
                words, what that means.
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
        """Raise `LeftOut` where containers cannot be run."""
        if not self.docker:
            raise LeftOut(self.docker.reason)

    def _environment(self) -> dict[str, str]:
        temporary = self.root / "temporary"
        temporary.mkdir(parents=True, exist_ok=True)
        return {
            **{name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ},
            "TMPDIR": str(temporary),
            # the service's folder stays as it was made
            "PYTHONPYCACHEPREFIX": str(self.bytecode),
            "MYPY_CACHE_DIR": str(self.root / "caches/mypy"),
            "RUFF_CACHE_DIR": str(self.root / "caches/ruff"),
            # neither does a person's configuration of git or natsgen count, nor is anything remembered in it
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_NOSYSTEM": "1",
            "XDG_CONFIG_HOME": os.devnull,
        }


def need_program(name: str) -> Path:
    """Return a program of this machine. Raises `LeftOut` where there is none."""
    program = find_program(name)
    if program is None:
        raise LeftOut(f"there is no `{name}` program on this machine")
    return program


def on_engine(stack: ExitStack, make: tuple[str, ...], remove: tuple[str, ...]) -> None:
    """Make something with `docker`, and have it removed at the end of the stack, or when this process dies."""
    stack.enter_context(Reaper("docker", *remove))
    run(["docker", *make], limit=PULL_SECONDS)
    stack.callback(run, ["docker", *remove], limit=ENGINE_SECONDS, check=False)
