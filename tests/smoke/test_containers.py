"""Two generated workers in one set of containers: what `natsgen smoke`, which runs each alone, does not see."""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nats
import pytest
from nats.js import JetStreamContext

from natsgen.harness.commands import run
from natsgen.harness.consul_api import ConsulApi
from natsgen.harness.containers import ComposeProject
from natsgen.harness.http_client import request
from natsgen.harness.ports import LOOPBACK, free_port
from natsgen.harness.waiting import wait_until
from tests.harness_tools.compose import published_port
from tests.smoke.traffic import event

pytestmark = pytest.mark.docker

SUBJECTS = {"billing": "orders.order.created", "shipping": "parcels.parcel.sent"}
HANDLERS = {"billing": "order_created", "shipping": "parcel_sent"}


@dataclass
class Fleet:
    """A workspace with both workers and what they stand on, all running."""

    projects: dict[str, ComposeProject]
    nats_port: int
    prometheus: ComposeProject
    consul: ConsulApi

    def stats(self, service: str) -> dict[str, Any]:
        port = published_port(self.projects[service], service, 8080)
        answer = request(LOOPBACK, port, "/stats").json()
        return dict(answer["subscriptions"][HANDLERS[service]])

    def of_prometheus(self, path: str) -> Any:
        """What Prometheus's API answers."""
        port = published_port(self.prometheus, "prometheus", 9090)
        return request(LOOPBACK, port, f"/api/v1/{path}").json()["data"]

    def checks(self, service: str) -> list[str]:
        """The states of the TTL checks of a service's instances in Consul."""
        return [
            check["Status"]
            for instance in self.consul.service_instances(service)
            for check in instance["Checks"]
            if check["ServiceName"] == service
        ]


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    # the folder's name becomes the network's, which is the engine's: it has to be new
    workspace = tmp_path_factory.mktemp("workspaces") / f"ws-{uuid.uuid4().hex[:8]}"
    new_worker(workspace, "billing", "--subject", SUBJECTS["billing"], "--deploy", "monitoring")
    new_worker(workspace, "shipping", "--subject", SUBJECTS["shipping"], "--dedup", "redis", "--python", "3.11")
    variables = ("NATS_PORT", "NATS_MONITOR_PORT", "CONSUL_PORT", "REDIS_PORT", "PROMETHEUS_PORT")
    ports = {name: str(free_port()) for name in variables}
    with ExitStack() as stack:
        projects = {}
        for service in SUBJECTS:  # one after the other, as two teams would: they share one compose project
            file = workspace / "compose" / f"{service}.yml"
            project = ComposeProject(file, environment=ports, name=workspace.name, remove_images=True)
            projects[service] = stack.enter_context(project)
            project.build()
            project.up()
        file = workspace / "compose/monitoring.yml"
        prometheus = stack.enter_context(ComposeProject(file, environment=ports, name=workspace.name))
        prometheus.up("prometheus")
        yield Fleet(projects, int(ports["NATS_PORT"]), prometheus, ConsulApi(LOOPBACK, int(ports["CONSUL_PORT"])))


@pytest.fixture
async def jetstream(fleet: Fleet) -> AsyncIterator[JetStreamContext]:
    client = await nats.connect(f"nats://127.0.0.1:{fleet.nats_port}")
    yield client.jetstream()
    await client.close()


def new_worker(workspace: Path, *arguments: str) -> None:
    command = [sys.executable, "-m", "natsgen", "new", "worker", *arguments, "--workspace", str(workspace)]
    subprocess.run([*command, "--no-input"], check=True, capture_output=True)


async def publish(jetstream: JetStreamContext, service: str, count: int) -> None:
    for number in range(count):
        headers = {"Nats-Msg-Id": f"evt_{number}"}
        await jetstream.publish(SUBJECTS[service], event(number), headers=headers)


@pytest.mark.parametrize("service", SUBJECTS)
async def test_events_from_outside_are_handled(fleet: Fleet, jetstream: JetStreamContext, service: str) -> None:
    before = fleet.stats(service)["handled"]

    await publish(jetstream, service, 100)

    wait_until(lambda: fleet.stats(service)["handled"] == before + 100, limit=30, what="100 events to be handled")


async def test_an_event_that_redis_knows_is_not_handled_again(fleet: Fleet, jetstream: JetStreamContext) -> None:
    project, key = fleet.projects["shipping"], "inbox:shipping:parcel_sent:"
    assert len(project.exec("redis", "redis-cli", "KEYS", f"{key}evt_*").split()) == 100
    project.exec("redis", "redis-cli", "SET", f"{key}seen_before", "done")
    before = fleet.stats("shipping")

    await jetstream.publish(SUBJECTS["shipping"], event(0), headers={"Nats-Msg-Id": "seen_before"})

    wait_until(lambda: fleet.stats("shipping")["received"] > before["received"], limit=30, what="the event to arrive")
    wait_until(lambda: fleet.stats("shipping")["in_flight"] == 0, limit=30, what="the event to be settled")
    assert fleet.stats("shipping")["duplicate"] == before["duplicate"] + 1
    assert fleet.stats("shipping")["handled"] == before["handled"]


@pytest.mark.parametrize("service", SUBJECTS)
def test_the_container_is_unprivileged_and_its_root_is_read_only(fleet: Fleet, service: str) -> None:
    project = fleet.projects[service]
    inspected = json.loads(run(["docker", "inspect", project.container(service).id], limit=20).output)[0]

    assert project.exec(service, "id", "-u").strip() == "10001"
    assert inspected["HostConfig"]["ReadonlyRootfs"] is True
    assert inspected["State"]["Health"]["Status"] == "healthy"


async def test_prometheus_finds_the_worker_and_fires_an_alert(fleet: Fleet, jetstream: JetStreamContext) -> None:
    await jetstream.publish(SUBJECTS["billing"], b"no event")

    def fired() -> list[Any]:
        alerts = fleet.of_prometheus("alerts")["alerts"]
        return [one for one in alerts if (one["labels"]["alertname"], one["state"]) == ("WorkerDeadLetters", "firing")]

    wait_until(fired, limit=90, what="the alert of dead letters")
    labels, notes = fired()[0]["labels"], fired()[0]["annotations"]
    assert (labels["job"], labels["handler"], labels["reason"]) == ("billing", "order_created", "invalid")
    assert notes["description"].startswith("Messages that order_created has given up in 10 minutes: 1 (invalid).")
    targets = fleet.of_prometheus("targets")["activeTargets"]
    assert [(one["labels"]["job"], one["health"]) for one in targets] == [("billing", "up")]

    def unhealthy() -> list[Any]:
        groups = fleet.of_prometheus("rules")["groups"]
        return [rule for group in groups for rule in group["rules"] if rule["health"] != "ok"]

    wait_until(lambda: not unhealthy(), limit=90, what="all rules to be evaluated without an error")


def test_prometheus_takes_the_files_of_another_service_and_sees_nothing_else_of_it(fleet: Fleet) -> None:
    project, workspace = fleet.prometheus, fleet.prometheus.project_directory.parent
    natsgen = [sys.executable, "-m", "natsgen", "add-deploy", "shipping", "monitoring", "--workspace", str(workspace)]
    subprocess.run([*natsgen, "--no-input"], check=True, capture_output=True)

    project.compose("up", "--detach", "--wait", "--force-recreate", "prometheus", limit=120)

    jobs = lambda: {one["labels"]["job"] for one in fleet.of_prometheus("targets")["activeTargets"]}  # noqa: E731
    wait_until(lambda: jobs() == {*SUBJECTS}, limit=60, what="the targets of both services")
    container = json.loads(run(["docker", "inspect", project.container("prometheus").id], limit=20).output)[0]
    assert {one["Type"] for one in container["Mounts"] if not one["Destination"].startswith("/etc/")} == {"volume"}


def test_the_services_come_back_to_consul_after_it_was_killed(fleet: Fleet) -> None:
    project = fleet.projects["billing"]
    project.compose("kill", "consul")
    for name in SUBJECTS:
        assert request(LOOPBACK, published_port(fleet.projects[name], name, 8080), "/readyz").status == 200

    project.compose("start", "consul")  # in memory: it has forgotten everything

    for service in SUBJECTS:
        wait_until(lambda name=service: fleet.checks(name) == ["passing"], limit=60, what=f"{service} to come back")


@pytest.mark.parametrize("service", SUBJECTS)
async def test_stop_deregisters_exits_0_and_leaves_nothing_unacknowledged(
    fleet: Fleet, jetstream: JetStreamContext, service: str
) -> None:
    project = fleet.projects[service]

    project.stop(service, timeout=40)

    assert project.exit_code(service) == 0
    assert fleet.consul.service_instances(service) == []
    stream = await jetstream.find_stream_name_by_subject(SUBJECTS[service])
    state = await jetstream.consumer_info(stream, f"{service}-{HANDLERS[service]}")
    assert (state.num_pending, state.num_ack_pending) == (0, 0)
