"""A sample that runs in containers, with its compose files as they were made, on a network of its own."""

from __future__ import annotations

import json
import time
from contextlib import ExitStack
from typing import Any

import yaml

from natsgen.harness.commands import Completed, run
from natsgen.harness.consul_api import ConsulApi
from natsgen.harness.containers import ComposeProject
from natsgen.harness.errors import CommandFailed, HarnessError, ProcessDied
from natsgen.harness.http_client import Response, request
from natsgen.harness.ports import LOOPBACK, free_port
from natsgen.harness.processes import Stopped
from natsgen.harness.waiting import wait_until
from natsgen.smoke import dockerfile, images
from natsgen.smoke.images import Images
from natsgen.smoke.live import CONSUL_TTL, GRACEFUL_SECONDS, Running
from natsgen.smoke.steps import CheckFailed
from natsgen.smoke.work import Work

PORTS = ("NATS_PORT", "NATS_MONITOR_PORT", "CONSUL_PORT", "REDIS_PORT")
"""What the compose files read, so that samples side by side do not meet on this machine's ports."""
HTTP_PORT = 8080
ENGINE_SECONDS = 60.0
BUILD_SECONDS = 900.0
UP_SECONDS = 180.0
SERVING_SECONDS = 60.0
OVER_TIME = 5
LOOK_SECONDS = 1.0
"""How often the engine is asked whether a container runs: every question is a process."""
KILLED = 137
LABEL = "natsgen.smoke"
ASK_UID = "import os; print(os.getuid())"
ASK_STATUS = "import sys, urllib.request as r; print(r.urlopen(sys.argv[1], timeout=5).status)"


class AsContainers(Running):
    """The service of a sample and what it stands on, as one compose project.

    Everything carries the project's label, and is removed by it.
    """

    def __init__(self, work: Work, known: Images) -> None:
        self._work = work
        self._known = known
        self._stack = ExitStack()
        self._project: ComposeProject | None = None
        self._ports: dict[str, int] = {}
        self._port: int | None = None
        self._id = ""
        self._looked = 0.0

    def build(self) -> str:
        """Builds the image.

        Raises:
            LeftOut: an image that it needs cannot be had.
            CheckFailed: it cannot be built.
        """
        self._ports = {name: free_port() for name in PORTS}
        environment = {name: str(port) for name, port in self._ports.items()}
        override = self._work.root / "override.yml"
        override.write_text(yaml.safe_dump(self._override()), encoding="utf-8")
        needed = self._needed_images(environment)
        for image in needed:
            self._known.need(self._public(image))
        self._stack.enter_context(
            images.under_other_names([(self._public(one), one) for one in needed if self._public(one) != one])
        )
        if network := self._work.answers.get("network"):
            self._stack.enter_context(images.network(network, f"{LABEL}={self._work.run_id}"))
        project = ComposeProject(
            self._work.compose_file,
            override,
            environment=environment,
            name=self._work.workspace.root.name,
            remove_images=True,
        )
        self._project = self._stack.enter_context(project)
        try:
            project.build(self._work.service, limit=BUILD_SECONDS)
        except CommandFailed as error:
            raise CheckFailed("the image cannot be built", command=" ".join(error.command), log=error.output) from error
        return ", ".join(needed)

    def start(self) -> None:
        """Starts everything, and waits until the service serves HTTP."""
        self._up.up(wait=False, limit=UP_SECONDS)
        self._id = self._up.container(self._work.service).id
        self._port = None
        wait_until(
            lambda: self.request("/healthz").status == 200,
            limit=SERVING_SECONDS,
            every=0.2,
            what="it to serve HTTP",
            alive=self._go_on,
        )

    def stop(self) -> Stopped:
        """Asks the service to end (SIGTERM), and has it killed if it does not in time."""
        began = time.monotonic()
        self._up.stop(self._work.service, timeout=int(GRACEFUL_SECONDS) + OVER_TIME)
        code = self._up.exit_code(self._work.service)
        return Stopped(code, time.monotonic() - began, forced=code == KILLED)

    def end(self) -> None:
        """Removes all of it: containers, network, volumes, the image."""
        self._stack.close()

    def kill(self) -> None:
        """Nothing to do: who waits for a container waits for a command, which is ended anyway."""

    def check_alive(self) -> None:
        """Raises `ProcessDied` if the service's container does not run; the engine is asked once a second."""
        if time.monotonic() - self._looked < LOOK_SECONDS:
            return
        self._looked = time.monotonic()
        state = self._inspected()["State"]
        if not state["Running"] or state.get("Restarting"):
            raise ProcessDied(f"{self._work.service} has ended with exit code {state['ExitCode']}. ")

    @property
    def nats_url(self) -> str:
        """Where a client of NATS connects to."""
        return f"nats://{LOOPBACK}:{self._ports['NATS_PORT']}"

    @property
    def consul(self) -> ConsulApi:
        """The Consul agent in its container."""
        return ConsulApi(LOOPBACK, self._ports["CONSUL_PORT"])

    @property
    def inbox(self) -> str:
        """Which inbox it runs with."""
        return str(self._work.answers.get("dedup", "none"))

    def request(self, path: str, *, method: str = "GET", body: str | None = None) -> Response:
        """Return what the service answers on its published port."""
        if self._port is None:
            self._port = self._up.port(self._work.service, HTTP_PORT)
        headers = {"Content-Type": "application/json"} if body else {}
        return request(LOOPBACK, self._port, path, method=method, body=body, headers=headers)

    def status_at(self, address: str, port: int) -> int:
        """Return what the service answers at an address of its network, seen from its own container."""
        return int(self._python(ASK_STATUS, f"http://{address}:{port}/readyz"))

    def lines(self) -> list[str]:
        """Return what the container has printed on standard output."""
        return self._logs().output.splitlines()

    def error_lines(self) -> list[str]:
        """Return what the container has printed on standard error."""
        return self._logs().errors.splitlines()

    def check_health(self) -> int:
        """0 if the engine calls the container healthy, else 1."""
        return 0 if self._inspected()["State"].get("Health", {}).get("Status") == "healthy" else 1

    def user_id(self) -> int:
        """Return the user ID that the service's container runs as."""
        return int(self._python(ASK_UID))

    @property
    def _up(self) -> ComposeProject:
        if self._project is None:
            raise HarnessError("the image has not been built")
        return self._project

    def _go_on(self) -> None:
        self._work.stopping.check()
        self.check_alive()

    def _override(self) -> dict[str, Any]:
        # `restart` would hide that it ends by itself
        own = {
            "environment": {"CONSUL_TTL": f"{CONSUL_TTL:g}", "HTTP_INTERNAL_PORT": str(HTTP_PORT)},
            "restart": "no",
            "labels": {LABEL: self._work.run_id},
        }
        return {"services": {self._work.service: own}}

    def _needed_images(self, environment: dict[str, str]) -> list[str]:
        """Return what the image is made from, and the images of what it stands on."""
        command = ("docker", "compose", "--file", self._work.compose_file, "config")
        what = "Compose does not take the files"
        printed = self._work.command(*command, limit=ENGINE_SECONDS, what=what, environment=environment).output
        services = yaml.safe_load(printed)["services"].values()
        beside = [service["image"] for service in services if "build" not in service]
        return [*dockerfile.read(self._work.folder / "Dockerfile").bases, *beside]

    def _public(self, image: str) -> str:
        """Return the image without the registry that the sample was made for, which does not exist."""
        registry = self._work.answers.get("registry")
        return image.removeprefix(f"{registry}/") if registry else image

    def _inspected(self) -> dict[str, Any]:
        printed = run(["docker", "inspect", self._id], limit=ENGINE_SECONDS).output
        return dict(json.loads(printed)[0])

    def _logs(self) -> Completed:
        if not self._id:
            return Completed(0, "", "")
        return run(["docker", "logs", self._id], limit=ENGINE_SECONDS)

    def _python(self, *words: str) -> str:
        return self._up.exec(self._work.service, "python", "-c", *words).strip()
