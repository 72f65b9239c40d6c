"""Gateways of both frameworks in containers, with their compose files exactly as generated."""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from natsgen.harness.commands import run
from natsgen.harness.consul_api import ConsulApi
from natsgen.harness.containers import ComposeProject
from natsgen.harness.http_client import request
from natsgen.harness.ports import LOOPBACK, free_port
from natsgen.harness.waiting import wait_until

pytestmark = pytest.mark.docker

OPTIONS = {
    "front": ["--framework", "fastapi", "--action", "greet", "--route", "POST /greet=v1.front.greet"],
    "back": ["--framework", "django", "--route", "POST /greet=v1.front.greet"],
}


@dataclass
class Fleet:
    """A workspace with both gateways and what they stand on, all running."""

    projects: dict[str, ComposeProject]
    consul: ConsulApi


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    # the folder's name becomes the network's, which is the engine's: it has to be new
    workspace = tmp_path_factory.mktemp("workspaces") / f"ws-{uuid.uuid4().hex[:8]}"
    for name, options in OPTIONS.items():
        new_gateway(workspace, name, *options)
    ports = {name: str(free_port()) for name in ("NATS_PORT", "NATS_MONITOR_PORT", "CONSUL_PORT")}
    with ExitStack() as stack:
        projects = {}
        for name in OPTIONS:
            file = workspace / "compose" / f"{name}.yml"
            project = ComposeProject(file, environment=ports, name=workspace.name, remove_images=True)
            projects[name] = stack.enter_context(project)
            project.up(build=True)
        yield Fleet(projects, ConsulApi(LOOPBACK, int(ports["CONSUL_PORT"])))


def new_gateway(workspace: Path, *arguments: str) -> None:
    command = [sys.executable, "-m", "natsgen", "new", "gateway", *arguments, "--workspace", str(workspace)]
    subprocess.run([*command, "--no-input"], check=True, capture_output=True)


@pytest.mark.parametrize("name", OPTIONS)
def test_it_answers_by_an_action_of_one_of_them(fleet: Fleet, name: str) -> None:
    port = fleet.projects[name].port(name, 8080)
    headers = {"Content-Type": "application/json"}

    answer = request(LOOPBACK, port, "/greet", method="POST", body='{"name": "Ada"}', headers=headers)

    assert (answer.status, answer.json()) == (200, {"message": "Hello Ada!"})


@pytest.mark.parametrize("name", OPTIONS)
def test_the_container_is_unprivileged_read_only_and_healthy(fleet: Fleet, name: str) -> None:
    project = fleet.projects[name]
    inspected = json.loads(run(["docker", "inspect", project.container(name).id], limit=20).output)[0]

    assert project.exec(name, "id", "-u").strip() == "10001"
    assert inspected["HostConfig"]["ReadonlyRootfs"] is True
    assert inspected["State"]["Health"]["Status"] == "healthy"


@pytest.mark.parametrize("name", OPTIONS)
def test_it_is_in_consul_under_an_address_that_answers(fleet: Fleet, name: str) -> None:
    wait_until(lambda: fleet.consul.service_instances(name), limit=30, what=f"{name} to be in Consul")

    (instance,) = fleet.consul.service_instances(name)

    assert request(instance["Service"]["Address"], instance["Service"]["Port"], "/readyz").status == 200


@pytest.mark.parametrize("name", list(reversed(OPTIONS)))  # who is asked stops last
def test_stop_deregisters_and_exits_0_and_every_line_of_its_log_is_json(fleet: Fleet, name: str) -> None:
    project = fleet.projects[name]

    project.stop(name, timeout=40)

    assert project.exit_code(name) == 0
    assert fleet.consul.service_instances(name) == []
    records = project.log_records(name)
    assert {record["service"] for record in records} == {name}
    assert records[-1]["message"] == "gateway stopped"
