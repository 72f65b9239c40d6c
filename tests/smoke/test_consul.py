"""The generated worker in a real Consul."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from nats.js import JetStreamContext

from natsgen.harness.consul_agent import ConsulAgent
from natsgen.harness.nats_server import NatsServer
from natsgen.harness.service import GeneratedService
from natsgen.harness.waiting import wait_until
from tests.harness_tools.consul import agent_services, agent_with_acl, check_output, check_status
from tests.harness_tools.readiness import wait_ready
from tests.harness_tools.tcp_proxy import TcpProxy
from tests.smoke.conftest import StartWorker
from tests.smoke.traffic import publish, settled

pytestmark = pytest.mark.consul


@pytest.fixture
def registered(nats_server: NatsServer, consul_agent: ConsulAgent, start_worker: StartWorker) -> GeneratedService:
    """A ready worker that is passing in Consul, with a short TTL."""
    worker = start_worker(NATS_URL=nats_server.url, **in_consul(consul_agent))
    wait_for_status(consul_agent, "passing")
    return worker


def in_consul(agent: ConsulAgent) -> dict[str, str]:
    token = {"CONSUL_TOKEN": agent.token} if agent.token else {}
    return {"CONSUL_ENABLED": "true", "CONSUL_HOST": "127.0.0.1", "CONSUL_PORT": str(agent.http_port)} | token | TTL


TTL = {"CONSUL_TTL": "3", "HOSTNAME": "one"}


def id_in(agent: ConsulAgent) -> str:
    """The id of the worker, or "" where it is not registered."""
    return next((key for key, one in agent_services(agent.api).items() if one["Service"] == "billing"), "")


def wait_for_status(agent: ConsulAgent, status: str | None, limit: float = 15.0) -> None:
    wait_until(
        lambda: check_status(agent.api, id_in(agent)) == status, limit=limit, what=f"Consul to call the worker {status}"
    )


def test_it_is_registered_with_its_endpoints_tags_and_version(
    registered: GeneratedService, consul_agent: ConsulAgent
) -> None:
    (instance,) = consul_agent.api.service_instances("billing")

    assert instance["Service"]["ID"] == f"billing-one-127.0.0.1-{registered.port}"
    assert (instance["Service"]["Address"], instance["Service"]["Port"]) == ("127.0.0.1", registered.port)
    assert instance["Service"]["Tags"] == ["worker", "python", "orders"]
    assert instance["Service"]["Meta"] == {"version": "0.1.0"}
    assert check_output(consul_agent.api, id_in(consul_agent)) == "consuming"


@pytest.mark.parametrize("same", ["port", "address"])
def test_two_of_one_name_have_a_registration_each(
    same: str,
    registered: GeneratedService,
    consul_agent: ConsulAgent,
    nats_server: NatsServer,
    start_worker: StartWorker,
) -> None:
    there = {"HTTP_HOST": "127.0.0.2", "HTTP_PORT": str(registered.port)} if same == "port" else {}
    other = start_worker(ready=False, NATS_URL=nats_server.url, **in_consul(consul_agent), **there)
    ids = {f"billing-one-{there.get('HTTP_HOST', '127.0.0.1')}-{other.port}", id_in(consul_agent)}
    wait_until(lambda: set(agent_services(consul_agent.api)) >= ids, limit=60, what="both to be registered")
    other.stop()
    assert set(agent_services(consul_agent.api)) & ids == {f"billing-one-127.0.0.1-{registered.port}"}


def test_an_agent_at_an_ipv6_address(
    nats_server: NatsServer, consul_agent: ConsulAgent, start_worker: StartWorker
) -> None:
    with TcpProxy(consul_agent.http_port, "::1") as proxy:
        settings = {**in_consul(consul_agent), "CONSUL_HOST": "::1", "CONSUL_PORT": str(proxy.port), "HTTP_HOST": "::1"}
        worker = start_worker(ready=False, NATS_URL=nats_server.url, **settings)
        wait_for_status(consul_agent, "passing")
        (instance,) = consul_agent.api.service_instances("billing")
        assert (instance["Service"]["Address"], instance["Service"]["Port"]) == ("::1", worker.port)
        worker.stop()
        assert consul_agent.api.service_instances("billing") == []


def test_it_stays_passing_for_longer_than_its_ttl(registered: GeneratedService, consul_agent: ConsulAgent) -> None:
    output_before = len(registered.log_records())
    statuses = set()
    deadline = asyncio.new_event_loop().time() + 3 * 3

    def observed() -> bool:
        statuses.add(check_status(consul_agent.api, id_in(consul_agent)))
        return asyncio.new_event_loop().time() > deadline

    wait_until(observed, limit=60, what="three times the TTL to pass")

    assert statuses == {"passing"}
    assert len(registered.log_records()) == output_before


def test_it_is_critical_while_it_does_not_consume(
    registered: GeneratedService, nats_server: NatsServer, consul_agent: ConsulAgent
) -> None:
    nats_server.stop()
    wait_for_status(consul_agent, "critical")
    assert str(check_output(consul_agent.api, id_in(consul_agent))).startswith("not connected to NATS")

    nats_server.start()
    wait_for_status(consul_agent, "passing")


async def test_consumption_goes_on_while_consul_is_away_and_it_registers_again(
    registered: GeneratedService, jetstream: JetStreamContext, consul_agent: ConsulAgent
) -> None:
    await asyncio.to_thread(consul_agent.kill)
    await publish(jetstream, 500)
    await settled(jetstream)
    assert registered.get("/readyz").status == 200

    await asyncio.to_thread(consul_agent.start)  # in memory: it has forgotten everything
    await asyncio.to_thread(wait_for_status, consul_agent, "passing", 40)


def test_a_worker_that_started_without_nats_and_consul_works_when_they_come(
    nats_server: NatsServer, consul_agent: ConsulAgent, start_worker: StartWorker
) -> None:
    nats_server.stop()
    consul_agent.stop()
    worker = start_worker(ready=False, NATS_URL=nats_server.url, **in_consul(consul_agent))
    worker.process.wait_for_line("waiting for NATS", limit=30)
    worker.process.wait_for_line("no heartbeat to Consul", limit=30)

    consul_agent.start()
    wait_for_status(consul_agent, "critical", 40)  # registered, and honest about not consuming
    nats_server.start()

    wait_ready(worker)
    wait_for_status(consul_agent, "passing")


def test_a_stopped_worker_is_gone_from_consul(registered: GeneratedService, consul_agent: ConsulAgent) -> None:
    stopped = registered.stop()

    assert stopped.exit_code == 0
    assert consul_agent.api.service_instances("billing") == []


def test_it_registers_with_an_acl_token(tmp_path: Path, nats_server: NatsServer, start_worker: StartWorker) -> None:
    with agent_with_acl(tmp_path / "consul-acl") as agent:
        start_worker(NATS_URL=nats_server.url, **in_consul(agent))
        wait_for_status(agent, "passing")
