"""The Docker engine: whether it is there, and what a compose project has left on it."""

from __future__ import annotations

from typing import NamedTuple

from natsgen.harness.commands import run
from natsgen.harness.errors import HarnessError

ANSWER_SECONDS = 20.0

PROJECT_LABEL = "com.docker.compose.project"
"""Compose puts it on everything that it makes."""


class Availability(NamedTuple):
    """True when something is there; `reason` says what is missing when it is not."""

    reason: str

    def __bool__(self) -> bool:
        return not self.reason


def docker_available() -> Availability:
    """Return whether containers can be run here: a Docker engine that answers, and Compose 2."""
    try:
        engine = run(["docker", "version", "--format", "{{.Server.Version}}"], limit=ANSWER_SECONDS, check=False)
        if engine.exit_code != 0:
            return Availability(f"the Docker engine does not answer: {engine.everything.strip()}")
        compose = run(["docker", "compose", "version", "--short"], limit=ANSWER_SECONDS, check=False)
    except HarnessError as error:
        return Availability(str(error))
    version = compose.output.strip().removeprefix("v")
    major = version.split(".")[0]
    if compose.exit_code != 0 or not major.isdigit() or int(major) < 2:
        return Availability(f"Docker Compose 2 is missing: {compose.everything.strip() or 'no answer'}")
    return Availability("")


def leftovers(project: str) -> list[str]:
    """What of a compose project is still on the engine: `container <name>`, `network <name>`, `volume <name>`."""
    label = f"label={PROJECT_LABEL}={project}"
    listings = {
        "container": ["docker", "ps", "--all", "--filter", label, "--format", "{{.Names}}"],
        "network": ["docker", "network", "ls", "--filter", label, "--format", "{{.Name}}"],
        "volume": ["docker", "volume", "ls", "--filter", label, "--format", "{{.Name}}"],
    }
    return [
        f"{kind} {name}"
        for kind, command in listings.items()
        for name in run(command, limit=ANSWER_SECONDS).output.split()
    ]
