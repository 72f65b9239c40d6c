"""What this machine has for a run, looked up once: what it lacks is left out, with the reason."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from natsgen import messages
from natsgen.errors import InputError, NatsgenError
from natsgen.harness.docker_engine import Availability, docker_available
from natsgen.harness.programs import find_program

AUTO, PROCESS, DOCKER = "auto", "process", "docker"
BACKENDS = (AUTO, PROCESS, DOCKER)


@dataclass(frozen=True)
class Tools:
    """What there is.

    Attributes:
        docker: whether containers can be run.
        consul: the program; None without it.
        hadolint: the program; None without it.
        nats_server: the program; None where only the service's own environment has one.
    """

    docker: Availability
    consul: Path | None
    hadolint: Path | None
    nats_server: Path | None


def found() -> Tools:
    """Return what there is on this machine."""
    return Tools(docker_available(), *(find_program(name) for name in ("consul", "hadolint", "nats-server")))


def backend(wanted: str, tools: Tools) -> str:
    """`process` or `docker`: the one that is wanted, or for `auto` the one that can be had.

    Raises:
        InputError: there is none such.
        NatsgenError: Docker is wanted and not there.
    """
    if wanted not in BACKENDS:
        raise InputError(f"--backend: {messages.invalid_choice(wanted, BACKENDS)}")
    if wanted == AUTO:
        return DOCKER if tools.docker else PROCESS
    if wanted == DOCKER and not tools.docker:
        raise NatsgenError(f"--backend docker: {tools.docker.reason}; --backend process does without")
    return wanted
