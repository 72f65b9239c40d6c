"""What a service has to pass as it is made, before it runs."""

from __future__ import annotations

import re
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml

from natsgen.services import declared
from natsgen.smoke import dockerfile, pins
from natsgen.smoke.steps import CheckFailed, LeftOut, NothingToDo, Step
from natsgen.smoke.work import Work
from natsgen.workspace import COMPOSE

LINT_SECONDS = 60.0
TYPES_SECONDS = 300.0
TESTS_SECONDS = 600.0
ENGINE_SECONDS = 60.0

ALIKE = 0.75
"""How alike two names are when one was probably meant for the other: other names a service may set as it likes."""
GRACEFUL = "GRACEFUL_SHUTDOWN_TIMEOUT"

GENERATE, ENVIRONMENT, COMPOSE_CONFIG = "generate", "environment", "compose config"


class Gates:
    """The gates of one sample."""

    def __init__(self, work: Work) -> None:
        self._work = work

    def steps(self) -> list[Step]:
        """In the order of the quickest answer."""
        made = (GENERATE,)
        installed = (GENERATE, ENVIRONMENT)
        return [
            Step(GENERATE, self._work.generate),
            Step("requirements", self.requirements, made),
            Step("dockerfile", self.dockerfile, made),
            Step("hadolint", self.hadolint, made),
            Step("compose", self.compose, made),
            Step(COMPOSE_CONFIG, self.compose_config, (*made, "compose")),
            Step("settings", self.settings, (*made, "compose")),
            Step(ENVIRONMENT, self.environment, (*made, "requirements")),
            Step("ruff", self.ruff, installed),
            Step("format", self.format, (*installed, "ruff")),
            Step("mypy", self.types, installed),
            Step("tests", self.tests, installed),
        ]

    def requirements(self) -> str:
        """Check that all requirements are pinned."""
        return pins.check(self._work.folder)

    def environment(self) -> None:
        """Check that its requirements can be installed, to run it and to develop it."""
        for file in pins.FILES:
            self._work.python(file)

    def ruff(self) -> None:
        """Check that ruff finds nothing."""
        self._python("ruff", "check", "--no-cache", ".", limit=LINT_SECONDS, what="ruff found something")

    def format(self) -> None:
        """Check that it is formatted as ruff formats."""
        words = ("ruff", "format", "--no-cache", "--check", ".")
        self._python(*words, limit=LINT_SECONDS, what="it is formatted otherwise")

    def types(self) -> str:
        """Check the types, as strictly as the service's own configuration says."""
        printed = self._python("mypy", "--strict", limit=TYPES_SECONDS, what="mypy found something")
        return printed.strip().splitlines()[-1]

    def tests(self, *paths: str) -> str:
        """Check that its own tests pass; `paths` are some of them."""
        words = ("pytest", "-q", "-p", "no:cacheprovider", *(paths or ("tests/",)))
        printed = self._python(*words, limit=TESTS_SECONDS, what="a test of its own failed")
        summary = printed.strip().splitlines()[-1]
        if not re.search(r"\d+ passed", summary):
            raise CheckFailed(f"none of its own tests ran: {summary}", log=printed)
        return re.sub(r" in [\d.]+s.*", "", summary).strip("= ")

    def dockerfile(self) -> str:
        """Check that the image does not run as root and has a health check."""
        image = dockerfile.read(self._work.folder / "Dockerfile")
        if image.runs_as_root:
            raise CheckFailed(f"the image runs as root: its Dockerfile's last stage has USER {image.user or 'nowhere'}")
        if not image.health_check:
            raise CheckFailed("the image has no HEALTHCHECK")
        return f"user {image.user}"

    def hadolint(self) -> None:
        """Check that hadolint finds nothing in the Dockerfile."""
        program = self._work.tools.hadolint
        if program is None:
            raise LeftOut("there is no `hadolint` program on this machine")
        file = self._work.folder / "Dockerfile"
        self._work.command(program, file, limit=LINT_SECONDS, what="hadolint found something")

    def compose(self) -> str:
        """Check that the compose files are YAML, and that the service has one."""
        files = sorted((self._work.workspace.root / COMPOSE).glob("*.yml"))
        for file in files:
            _check_yaml(file)
        if self._work.compose_file not in files:
            raise CheckFailed(f"there is no {self._work.compose_file.relative_to(self._work.workspace.root)}")
        return f"{len(files)} files"

    def compose_config(self) -> str:
        """Check that Compose accepts the files and gives the service enough time to stop."""
        if not self._work.tools.docker:
            raise LeftOut(self._work.tools.docker.reason)
        command = ("docker", "compose", "--file", self._work.compose_file, "config")
        printed = self._work.command(*command, limit=ENGINE_SECONDS, what="Compose does not take the files").output
        return self._check_grace(yaml.safe_load(printed)["services"][self._work.service])

    def settings(self) -> str:
        """Check that the compose file and .env.example set no mistyped setting."""
        known = [setting.name for setting in declared.settings_of(self._work.folder)]
        if not known:
            raise NothingToDo("its config.py declares no settings that can be read off")
        known += [f"{name}_FILE" for name in known]
        example = self._work.folder / ".env.example"
        given = dict.fromkeys(_environment_in(self._work.compose_file, self._work.service), COMPOSE)
        given |= {line.partition("=")[0]: example.name for line in _lines(example) if not line.startswith("#")}
        for name, where in given.items():
            if name not in known and (meant := get_close_matches(name, known, n=1, cutoff=ALIKE)):
                raise CheckFailed(f"{where} sets {name}, which the service does not read; did it mean {meant[0]}?")
        return f"{len(given)} names"

    def _check_grace(self, service: dict[str, Any]) -> str:
        """Check that a container has more time to stop than its service takes."""
        takes = float((service.get("environment") or {}).get(GRACEFUL, 0))
        grace = _seconds(service.get("stop_grace_period", "10s"))
        if grace <= takes:
            raise CheckFailed(f"stop_grace_period is {grace:g} s, and {GRACEFUL} lets the service take {takes:g} s")
        return f"{grace:g} s to stop"

    def _python(self, *words: str, limit: float, what: str) -> str:
        return self._work.command(self._work.python(), "-m", *words, limit=limit, what=what).everything


def _check_yaml(file: Path) -> None:
    try:
        document = yaml.safe_load(file.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise CheckFailed(f"compose/{file.name} is no YAML: {' '.join(str(error).split())}") from error
    if not isinstance(document, dict):
        raise CheckFailed(f"compose/{file.name} holds no mapping")


def _environment_in(compose_file: Path, service: str) -> list[str]:
    """Return the names that a compose file sets for a service."""
    environment = yaml.safe_load(compose_file.read_text(encoding="utf-8"))["services"][service].get("environment", {})
    return [str(one).partition("=")[0] for one in environment]  # a mapping, or a list of NAME=VALUE


def _lines(file: Path) -> list[str]:
    return [line for line in file.read_text(encoding="utf-8").splitlines() if line] if file.is_file() else []


def _seconds(duration: str) -> float:
    """Return a duration as Compose prints it, such as `1m30s`."""
    units = {"h": 3600.0, "m": 60.0, "s": 1.0}
    return sum(float(number) * units[unit] for number, unit in re.findall(r"([\d.]+)([hms])", duration))
