"""Checking whether a Docker engine is available."""

from __future__ import annotations

from typing import NamedTuple

from natsgen.harness.commands import run
from natsgen.harness.errors import HarnessError

ANSWER_SECONDS = 20.0


class Availability(NamedTuple):
    """True if something is available; otherwise `reason` says what is missing."""

    reason: str

    def __bool__(self) -> bool:
        return not self.reason


def docker_available() -> Availability:
    """Return whether containers can run here: a Docker engine answers, and Compose 2 is installed."""
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
