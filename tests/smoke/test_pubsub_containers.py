"""Publishers and subscribers in containers, scaled by Compose, with their compose files exactly as generated."""

from __future__ import annotations

import subprocess
import sys
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from natsgen.harness.commands import run
from natsgen.harness.containers import ComposeProject
from natsgen.harness.output import json_records
from natsgen.harness.ports import free_port
from natsgen.harness.waiting import wait_until

pytestmark = pytest.mark.docker

ALPINE = "python:3.13-alpine"
SCALE = {"ear": 3, "beat": 2}  # subscribers first: what is published while none listens, none hears
COMMON = ("--subject", "events.test", "--envelope", "message")
UP_SECONDS = 600.0


@dataclass
class Fleet:
    """A workspace with both services, several of each, all running."""

    projects: dict[str, ComposeProject]

    def logs(self, service: str, message: str) -> list[list[dict[str, Any]]]:
        """The lines with this message, of each replica."""
        project = self.projects[service]
        found = []
        for container in project.ps():
            if container.service == service:
                lines = run(["docker", "logs", container.id], limit=30).output.splitlines()
                found.append([one for one in json_records(lines, service) if one["message"] == message])
        return found


def alpine_is_there() -> bool:
    """Whether the image is here, or can be had: a machine without a registry may have no stand-in for it."""
    for command in (["image", "inspect", ALPINE], ["pull", "--quiet", ALPINE]):
        if run(["docker", *command], limit=UP_SECONDS, check=False).exit_code == 0:
            return True
    return False


@pytest.fixture(scope="module")
def image() -> str:
    return "alpine" if alpine_is_there() else "slim"


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory, image: str) -> Iterator[Fleet]:
    # the folder's name becomes the network's, which is the engine's: it has to be new
    workspace = tmp_path_factory.mktemp("workspaces") / f"ws-{uuid.uuid4().hex[:8]}"
    natsgen(workspace, "subscriber", "ear", *COMMON, "--queue-group", "workers")
    natsgen(workspace, "publisher", "beat", *COMMON, "--interval", "0.05", "--image", image)
    ports = {name: str(free_port()) for name in ("NATS_PORT", "NATS_MONITOR_PORT", "CONSUL_PORT")}
    with ExitStack() as stack:
        projects = {}
        for name, replicas in SCALE.items():
            file = workspace / "compose" / f"{name}.yml"
            project = ComposeProject(file, environment=ports, name=workspace.name, remove_images=True)
            projects[name] = stack.enter_context(project)
            project.compose("up", "--detach", "--build", "--wait", "--scale", f"{name}={replicas}", limit=UP_SECONDS)
        yield Fleet(projects)


def natsgen(workspace: Path, *arguments: str) -> None:
    command = [sys.executable, "-m", "natsgen", "new", *arguments, "--workspace", str(workspace), "--no-input"]
    subprocess.run(command, check=True, capture_output=True)


def test_scaled_publishers_and_subscribers_share_the_load(fleet: Fleet) -> None:
    def published() -> list[int]:
        return [len(lines) for lines in fleet.logs("beat", "message published")]

    wait_until(lambda: len(published()) == 2 and min(published()) >= 30, limit=60, what="30 messages of each publisher")
    fleet.projects["beat"].stop("beat", timeout=40)
    sent = [
        (line["message_id"], line["sequence"]) for lines in fleet.logs("beat", "message published") for line in lines
    ]

    def heard() -> list[list[dict[str, Any]]]:
        return fleet.logs("ear", "message heard")

    wait_until(lambda: sum(map(len, heard())) >= len(sent), limit=60, what="all messages to be heard")
    lines = heard()
    assert len(lines) == 3
    assert min(map(len, lines)) > 5
    told = Counter((line["source"], line["sequence"]) for replica in lines for line in replica)
    assert set(told.values()) == {1}
    by_source = {source: sorted(number for one, number in told if one == source) for source, _ in told}
    assert len(by_source) == 2
    for numbers in by_source.values():
        assert numbers == list(range(1, len(numbers) + 1))
    assert sum(map(len, by_source.values())) == len(sent) == len({identity for identity, _ in sent})
    assert {container.exit_code for container in fleet.projects["beat"].ps() if container.service == "beat"} == {0}


def test_alpine_image_is_built_in_stages_and_runs_unprivileged(fleet: Fleet, image: str) -> None:
    if image != "alpine":
        pytest.skip(f"there is no image {ALPINE}, and none can be had")
    file = fleet.projects["beat"].files[0].parents[1] / "services/beat/Dockerfile"
    lines = file.read_text().splitlines()
    assert [line for line in lines if line.startswith("FROM")] == [f"FROM {ALPINE} AS build", f"FROM {ALPINE}"]
    containers = [one for one in fleet.projects["beat"].ps() if one.service == "beat"]
    users = [
        run(["docker", "inspect", "--format", "{{.Config.User}}", one.id], limit=30).output.strip()
        for one in containers
    ]
    assert users == ["10001:10001"] * 2
