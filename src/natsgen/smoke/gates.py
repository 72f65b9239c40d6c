"""Checks of a generated service before it runs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml

from natsgen.files.workspace import COMPOSE
from natsgen.services import declared
from natsgen.smoke.steps import CheckFailed, Step
from natsgen.smoke.work import ENGINE_SECONDS, Work, need_program

LINT_SECONDS = 60.0
TYPES_SECONDS = 300.0
TESTS_SECONDS = 600.0

ALIKE = 0.75
"""How similar a name must be to a known setting to count as a typing error; a service may set any other name."""
GRACEFUL = "GRACEFUL_SHUTDOWN_TIMEOUT"

GENERATE, ENVIRONMENT, COMPOSE_CONFIG = "generate", "environment", "compose config"


class Gates:
    """The checks of one generated sample."""

    def __init__(self, work: Work) -> None:
        self._work = work

    def steps(self) -> list[Step]:
        """Return the steps, the quickest first."""
        made = (GENERATE,)
        installed = (GENERATE, ENVIRONMENT)
        return [
            Step(GENERATE, self._work.generate),
            Step("dockerfile", self.dockerfile, made),
            Step("hadolint", self.hadolint, made),
            Step("compose", self.compose, made),
            Step(COMPOSE_CONFIG, self.compose_config, (*made, "compose")),
            Step(ENVIRONMENT, self.environment, made),
            Step("ruff", self.ruff, installed),
            Step("format", self.format, (*installed, "ruff")),
            Step("mypy", self.types, installed),
            Step("tests", self.tests, installed),
        ]

    def environment(self) -> None:
        """Check that its runtime and development requirements can be installed, pinned with hashes."""
        for file in ("requirements.txt", "requirements-dev.txt"):
            self._work.python(file)

    def ruff(self) -> None:
        """Check that ruff finds nothing."""
        self._python("ruff", "check", "--no-cache", ".", limit=LINT_SECONDS, what="ruff found something")

    def format(self) -> None:
        """Check that it is formatted with ruff."""
        words = ("ruff", "format", "--no-cache", "--check", ".")
        self._python(*words, limit=LINT_SECONDS, what="ruff would reformat it")

    def types(self) -> str:
        """Check its types with `mypy --strict` and the service's configuration."""
        printed = self._python("mypy", "--strict", limit=TYPES_SECONDS, what="mypy found something")
        return printed.strip().splitlines()[-1]

    def tests(self, *paths: str) -> str:
        """Check that its own tests pass; `paths` selects some of them."""
        words = ("pytest", "-q", "-p", "no:cacheprovider", *(paths or ("tests/",)))
        printed = self._python(*words, limit=TESTS_SECONDS, what="one of its own tests failed")
        summary = printed.strip().splitlines()[-1]
        if not re.search(r"\d+ passed", summary):
            raise CheckFailed(f"none of its own tests ran: {summary}", log=printed)
        return re.sub(r" in [\d.]+s.*", "", summary).strip("= ")

    def dockerfile(self) -> str:
        """Check that the image does not run as root and has a health check."""
        user, health_check = last_stage(self._work.folder / "Dockerfile")
        if user.partition(":")[0] in ("", "root", "0"):
            given = f"USER {user}" if user else "no USER"
            raise CheckFailed(f"the image runs as root: the last stage of its Dockerfile has {given}")
        if not health_check:
            raise CheckFailed("the image has no HEALTHCHECK")
        return f"user {user}"

    def hadolint(self) -> None:
        """Check that hadolint finds nothing in the Dockerfile."""
        command = (need_program("hadolint"), self._work.folder / "Dockerfile")
        self._work.command(*command, limit=LINT_SECONDS, what="hadolint found something")

    def compose(self) -> str:
        """Check that the compose file gives the service time to stop, and that no setting is mistyped."""
        service = _read_compose(self._work.compose_file)["services"][self._work.service]
        given = service.get("environment") or {}
        if isinstance(given, list):
            given = dict(one.partition("=")[::2] for one in given)
        needed, grace = float(given.get(GRACEFUL, 0)), _seconds(service.get("stop_grace_period", "10s"))
        if grace <= needed:
            raise CheckFailed(f"stop_grace_period is {grace:g} s; it must be longer than {GRACEFUL}, {needed:g} s")
        example = self._work.folder / ".env.example"
        lines = example.read_text(encoding="utf-8").splitlines() if example.is_file() else []
        self._check_settings(given, COMPOSE)
        self._check_settings([line.partition("=")[0] for line in lines if line and line[0] != "#"], example.name)
        return f"{grace:g} s to stop"

    def compose_config(self) -> None:
        """Check that Compose accepts the files."""
        self._work.need_docker()
        command = ("docker", "compose", "--file", self._work.compose_file, "config", "--quiet")
        self._work.command(*command, limit=ENGINE_SECONDS, what="Compose rejects the files")

    def _check_settings(self, given: Iterable[str], where: str) -> None:
        known = [setting.name for setting in declared.settings_of(self._work.folder)]
        known += [f"{name}_FILE" for name in known]
        for name in given:
            if name not in known and (meant := get_close_matches(name, known, n=1, cutoff=ALIKE)):
                raise CheckFailed(f"{where} sets {name}, which the service does not read; did you mean {meant[0]}?")

    def _python(self, *words: str, limit: float, what: str) -> str:
        return self._work.command(self._work.python(), "-m", *words, limit=limit, what=what).everything


def last_stage(dockerfile: Path) -> tuple[str, list[str]]:
    """Return the user of a Dockerfile's last stage ("" without one) and the arguments of its health check."""
    text = dockerfile.read_text(encoding="utf-8").replace("\\\n", " ")
    stage = re.split(r"^FROM ", text, flags=re.MULTILINE)[-1]
    users = re.findall(r"^USER +(\S+)", stage, re.MULTILINE)
    checks = re.findall(r"^HEALTHCHECK .*?CMD +(.+)", stage, re.MULTILINE)
    command = checks[-1] if checks else "[]"
    return users[-1] if users else "", json.loads(command) if command[0] == "[" else ["sh", "-c", command]


def _read_compose(file: Path) -> dict[str, Any]:
    try:
        return dict(yaml.safe_load(file.read_text(encoding="utf-8")))
    except (yaml.YAMLError, TypeError, ValueError) as error:
        raise CheckFailed(f"compose/{file.name} is not a YAML mapping: {' '.join(str(error).split())}") from error


def _seconds(duration: str) -> float:
    """Return a duration such as `1m30s`, in seconds."""
    units = {"h": 3600.0, "m": 60.0, "s": 1.0}
    return sum(float(number) * units[unit] for number, unit in re.findall(r"([\d.]+)([hms])", duration))
