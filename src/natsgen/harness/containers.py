"""Containers of a compose project with a unique name, so that parallel runs do not collide and nothing stays behind."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from natsgen.harness.commands import Completed, run
from natsgen.harness.errors import CommandFailed, HarnessError, last_lines
from natsgen.harness.reaper import Reaper

COMMAND_SECONDS = 60.0
UP_SECONDS = 300.0
"""Images may have to be pulled first."""
BUILD_SECONDS = 900.0
STOP_SECONDS = 10
"""The time that Docker gives a container between SIGTERM and SIGKILL."""


class Container(NamedTuple):
    """A row of `docker compose ps`; `health` is "" without a health check, `exit_code` is valid once it has exited."""

    service: str
    name: str
    id: str
    state: str
    health: str
    exit_code: int


class ComposeProject:
    """The services of the compose `files`, under a unique project name.

    Paths in the files are relative to the first file's folder. `environment` is added to this process's environment,
    without its `COMPOSE_*` variables, and fills `${...}` in the files. An override (build arguments, other images,
    ports) is one more file at the end. With `remove_images`, `down` also removes the images that the project built and
    did not name. Everything is also removed when this process dies.
    As a context manager it takes everything down at the end; it does not bring it up.

    Methods raise `CommandFailed` with the command, its exit code and the end of its output.
    """

    def __init__(
        self,
        *files: Path,
        environment: Mapping[str, str] | None = None,
        name: str | None = None,
        remove_images: bool = False,
    ) -> None:
        self.name = name or f"natsgen-{uuid.uuid4().hex[:10]}"
        self.files = tuple(file.resolve() for file in files)
        self.project_directory = self.files[0].parent
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("COMPOSE_")}
        self._environment = {**inherited, **(environment or {})}
        self._removal = ["down", "--volumes", "--remove-orphans", "--timeout", "0"]
        if remove_images:
            self._removal += ["--rmi", "local"]
        # By name alone: the files may be gone by then. The pause lets the reaper of a running command kill it first.
        command = f"sleep 1; exec docker compose --project-name {self.name} {' '.join(self._removal)}"
        self._reaper = Reaper("sh", "-c", command, environment=self._environment)

    def build(self, *services: str, limit: float = BUILD_SECONDS) -> None:
        """Build the images."""
        self.compose("build", *services, limit=limit)

    def up(self, *services: str, limit: float = UP_SECONDS) -> None:
        """Create and start the services (default: all), and wait until they run and their health checks pass.

        If they do not, the error also shows their states and the end of their logs.
        """
        try:
            self.compose("up", "--detach", "--wait", *services, limit=limit)
        except CommandFailed as error:
            raise CommandFailed(error.command, error.exit_code, error.output, hint=self._account()) from error

    def stop(self, service: str, timeout: int = STOP_SECONDS) -> None:
        """Stop a service: SIGTERM, and SIGKILL after `timeout` seconds."""
        self.compose("stop", "--timeout", str(timeout), service, limit=timeout + COMMAND_SECONDS)

    def down(self) -> None:
        """Remove all containers, networks and volumes of the project. May be called repeatedly, also after `up`."""
        self.compose(*self._removal, limit=UP_SECONDS)

    def close(self) -> None:
        """Take everything down permanently."""
        self.down()
        self._reaper.dismiss()

    def ps(self) -> list[Container]:
        """Return all containers of the project, stopped ones included."""
        return parse_containers(self.compose("ps", "--all", "--format", "json").output)

    def container(self, service: str) -> Container:
        """Return the container of a service. Raises `HarnessError` unless it has exactly one."""
        found = [container for container in self.ps() if container.service == service]
        if len(found) != 1:
            raise HarnessError(f"the service {service} of {self.name} has {len(found)} containers, not one")
        return found[0]

    def exit_code(self, service: str) -> int:
        """Return the exit code of a service's container. Raises `HarnessError` while it has not exited."""
        container = self.container(service)
        if container.state != "exited":
            raise HarnessError(f"{container.name} has not exited: it is {container.state}")
        return container.exit_code

    def logs(self, service: str) -> str:
        """Return the output of a service: its standard output, then its standard error."""
        return self._logs(service).everything

    def exec(self, service: str, *command: str, limit: float = COMMAND_SECONDS) -> str:
        """Run a command in a service's container, and return its standard output."""
        return self.compose("exec", "--no-TTY", service, *command, limit=limit).output

    def compose(self, *arguments: str, limit: float = COMMAND_SECONDS) -> Completed:
        """Run any `docker compose` command on this project, for at most `limit` seconds."""
        files = [word for file in self.files for word in ("--file", str(file))]
        return self._docker("compose", "--project-name", self.name, *files, *arguments, limit=limit)

    def __enter__(self) -> ComposeProject:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _logs(self, service: str) -> Completed:
        # Not `compose logs`, which mixes the container's output with Compose's.
        return self._docker("logs", self.container(service).id)

    def _account(self) -> str:
        """Return the states and last log lines of all containers, for an error message."""
        try:
            return "\n".join(
                f"{container.service} is {container.state} {container.health}".rstrip()
                + f"; the end of its log:\n{last_lines(self.logs(container.service), 15)}"
                for container in self.ps()
            )
        except HarnessError as error:
            return f"(the containers' states are unknown: {error})"

    def _docker(self, *arguments: str, limit: float = COMMAND_SECONDS) -> Completed:
        return run(["docker", *arguments], limit=limit, folder=self.project_directory, environment=self._environment)


def parse_containers(text: str) -> list[Container]:
    """Return the rows of `docker compose ps --format json`: an array before Compose 2.21, an object a line since."""
    text = text.strip()
    rows: list[dict[str, Any]] = json.loads(text) if text.startswith("[") else [*map(json.loads, text.splitlines())]
    return [
        Container(row["Service"], row["Name"], row["ID"], row["State"], row.get("Health") or "", int(row["ExitCode"]))
        for row in rows
    ]
