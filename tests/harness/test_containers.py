"""Compose projects: up, watched, stopped, and nothing left of them."""

from __future__ import annotations

import json
import subprocess
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from natsgen.harness.consul_api import ConsulApi
from natsgen.harness.containers import ComposeProject, Container, parse_containers
from natsgen.harness.docker_engine import docker_available
from natsgen.harness.errors import CommandFailed, HarnessError
from natsgen.harness.http_client import request
from natsgen.harness.waiting import wait_until
from tests.harness_tools.compose import leftovers, published_port

Owner = Callable[..., tuple[subprocess.Popen[str], str]]

COMPOSE = """
services:
  nats:
    image: nats:2.15-alpine
    command: ["--jetstream", "--store_dir", "/data", "--http_port", "8222"]
    ports: ["127.0.0.1::4222", "127.0.0.1::8222"]
    volumes: ["data:/data"]
    healthcheck:
      test: ["CMD", "wget", "-q", "-O", "-", "http://127.0.0.1:8222/healthz"]
      interval: 1s
      retries: 20
  consul:
    image: hashicorp/consul:1.22
    command: ["agent", "-dev", "-client", "0.0.0.0"]
    ports: ["127.0.0.1::8500"]
    healthcheck:
      test: ["CMD", "consul", "members"]
      interval: 1s
      retries: 20
volumes:
  data: {}
"""

SMALL = """
services:
  worker:
    image: nats:2.15-alpine
    entrypoint: ["sh", "-c"]
    command: ["trap 'echo bye; exit 7' TERM; echo \\"$$GREETING\\"; echo oops >&2; while :; do sleep 0.1; done"]
    environment: {GREETING: '{"message": "${WORD:-nothing}"}'}
    volumes: ["data:/data"]
volumes:
  data: {}
"""


@pytest.fixture
def small(tmp_path: Path) -> Path:
    file = tmp_path / "compose.yml"
    file.write_text(SMALL)
    return file


@pytest.fixture(scope="module")
def infrastructure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ComposeProject]:
    file = tmp_path_factory.mktemp("compose") / "infrastructure.yml"
    file.write_text(COMPOSE)
    with ComposeProject(file) as project:
        project.up()
        yield project


@pytest.mark.docker
def test_is_up_when_its_health_checks_pass(infrastructure: ComposeProject) -> None:
    states = {container.service: (container.state, container.health) for container in infrastructure.ps()}
    assert states == {"nats": ("running", "healthy"), "consul": ("running", "healthy")}


@pytest.mark.docker
def test_services_are_reached_at_their_published_ports(infrastructure: ComposeProject) -> None:
    monitor = published_port(infrastructure, "nats", 8222)
    assert request("127.0.0.1", monitor, "/healthz").json() == {"status": "ok"}
    consul = ConsulApi("127.0.0.1", published_port(infrastructure, "consul", 8500))
    assert "consul" in consul.get("/v1/catalog/services")


@pytest.mark.docker
def test_a_service_runs_commands(infrastructure: ComposeProject) -> None:
    assert infrastructure.exec("nats", "echo", "hello") == "hello\n"
    with pytest.raises(CommandFailed, match="exit code 3"):
        infrastructure.exec("nats", "sh", "-c", "exit 3")


@pytest.mark.docker
def test_a_stopped_service_comes_back(infrastructure: ComposeProject) -> None:
    infrastructure.stop("consul")
    assert infrastructure.container("consul").state == "exited"
    infrastructure.compose("start", "consul")
    wait_until(lambda: infrastructure.container("consul").health == "healthy", limit=30, what="consul to be healthy")


@pytest.mark.docker
def test_a_service_that_is_not_there_is_an_error(infrastructure: ComposeProject) -> None:
    with pytest.raises(HarnessError, match=r"the service redis of natsgen-.* has 0 containers"):
        infrastructure.container("redis")


@pytest.mark.docker
def test_stop_gives_the_program_its_time_and_tells_its_exit_code(small: Path) -> None:
    with ComposeProject(small, environment={"WORD": "hello"}) as project:
        project.up()
        with pytest.raises(HarnessError, match="has not exited"):
            project.exit_code("worker")
        wait_until(lambda: "oops" in project.logs("worker"), limit=30, what="the worker to be set")
        assert '{"message": "hello"}' in project.logs("worker")
        project.stop("worker", timeout=10)
        assert project.exit_code("worker") == 7
        assert "bye" in project.logs("worker")


@pytest.mark.docker
def test_an_override_is_one_more_file(small: Path, tmp_path: Path) -> None:
    override = tmp_path / "override.yml"
    override.write_text("services: {worker: {environment: {GREETING: overridden}}}")
    with ComposeProject(small, override) as project:
        project.up()
        wait_until(lambda: "overridden" in project.logs("worker"), limit=30, what="the word of the override")


@pytest.mark.docker
def test_an_image_is_built_and_removed_if_asked(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM nats:2.15-alpine\nENV WORD=built\n")
    file = tmp_path / "compose.yml"
    file.write_text("services: {worker: {build: ., entrypoint: [sh, -c, 'echo $$WORD']}}")
    with ComposeProject(file, remove_images=True) as project:
        project.build()
        project.compose("up", "--detach")
        wait_until(lambda: project.logs("worker") == "built", limit=30, what="the word that was built in")
        assert images(project.name)
    assert not images(project.name)


@pytest.mark.docker
def test_down_leaves_nothing(small: Path) -> None:
    with ComposeProject(small) as project:
        project.up()
        kinds = sorted(left.split()[0] for left in leftovers(project.name))
        assert kinds == ["container", "network", "volume"]
        project.down()
        assert leftovers(project.name) == []


@pytest.mark.docker
def test_two_projects_from_the_same_files_do_not_meet(small: Path) -> None:
    with ComposeProject(small) as one, ComposeProject(small) as other:
        one.up()
        other.up()
        one.down()
        assert other.container("worker").state == "running"


@pytest.mark.docker
def test_what_does_not_come_up_is_explained(tmp_path: Path) -> None:
    file = tmp_path / "compose.yml"
    file.write_text(
        "services: {worker: {image: 'nats:2.15-alpine', entrypoint: [sh, -c, 'echo no configuration >&2; exit 3']}}"
    )
    with (
        ComposeProject(file) as project,
        pytest.raises(CommandFailed, match=r"(?s)docker compose .* up .*worker is exited.*no configuration"),
    ):
        project.up()


@pytest.mark.docker
def test_a_killed_owner_leaves_nothing_even_when_its_files_are_gone(small: Path, owner: Owner) -> None:
    program = """
        import signal, sys
        from pathlib import Path
        from natsgen.harness.containers import ComposeProject

        with ComposeProject(Path(sys.argv[1]), name=sys.argv[2]) as project:
            project.up()
            print("up", flush=True)
            signal.pause()
    """
    name = f"natsgen-{uuid.uuid4().hex[:10]}"
    process, line = owner(program, small, name)
    assert line == "up"
    assert len(leftovers(name)) == 3
    small.unlink()
    process.kill()
    wait_until(lambda: not leftovers(name), limit=30, what="the project to be removed")


@pytest.mark.docker
def test_an_owner_killed_while_it_starts_containers_leaves_nothing(small: Path, owner: Owner) -> None:
    program = """
        import sys
        from pathlib import Path
        from natsgen.harness.containers import ComposeProject

        with ComposeProject(Path(sys.argv[1]), name=sys.argv[2]) as project:
            print("going up", flush=True)
            project.up()
            project.down()
    """
    name = f"natsgen-{uuid.uuid4().hex[:10]}"
    process, _ = owner(program, small, name)
    wait_until(lambda: leftovers(name), limit=30, what="the first thing to be created")
    process.kill()
    wait_until(lambda: not leftovers(name), limit=30, what="the project to be removed")


def test_both_forms_of_the_list_of_containers_are_read() -> None:
    row = {"Service": "nats", "Name": "x-nats-1", "ID": "f00", "State": "running", "Health": "healthy", "ExitCode": 0}
    other = {"Service": "consul", "Name": "x-consul-1", "ID": "ba7", "State": "exited", "Health": "", "ExitCode": 1}
    expected = [
        Container("nats", "x-nats-1", "f00", "running", "healthy", 0),
        Container("consul", "x-consul-1", "ba7", "exited", "", 1),
    ]
    assert parse_containers(json.dumps([row, other])) == expected
    assert parse_containers(f"{json.dumps(row)}\n{json.dumps(other)}\n") == expected
    assert parse_containers("") == []


def test_the_absence_of_docker_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    availability = docker_available()
    assert not availability
    assert "docker" in availability.reason


def test_an_engine_that_does_not_answer_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program = tmp_path / "docker"
    program.write_text("#!/bin/sh\necho Cannot connect to the Docker daemon >&2\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert docker_available().reason == "the Docker engine does not answer: Cannot connect to the Docker daemon"


def images(project: str) -> list[str]:
    command = ["docker", "images", "--quiet", f"{project}-worker"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
