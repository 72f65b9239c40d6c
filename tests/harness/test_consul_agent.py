"""A real Consul agent, and what its API tells of the services that are registered there."""

from __future__ import annotations

import http.client
import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from natsgen.harness.consul_agent import ConsulAgent, ConsulMissing, agent_configuration
from natsgen.harness.consul_api import ConsulApi
from natsgen.harness.errors import HarnessError
from natsgen.harness.waiting import wait_until
from tests.harness_tools.consul import agent_services, agent_with_acl, check_output, check_status

Owner = Callable[..., tuple[subprocess.Popen[str], str]]

SERVICE = {
    "ID": "billing-1",
    "Name": "billing",
    "Address": "127.0.0.1",
    "Port": 8080,
    "Tags": ["worker"],
    "Check": {"CheckID": "billing-1-ttl", "Name": "consuming", "TTL": "60s", "Status": "critical"},
}


@pytest.fixture(scope="module")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ConsulAgent]:
    with ConsulAgent(tmp_path_factory.mktemp("consul")) as agent:
        yield agent


def register(api: ConsulApi) -> None:
    api.put("/v1/agent/service/register", json.dumps(SERVICE))


@pytest.mark.consul
def test_tells_the_health_of_a_service(agent: ConsulAgent) -> None:
    register(agent.api)
    assert check_status(agent.api, "billing-1") == "critical"
    agent.api.put("/v1/agent/check/update/billing-1-ttl", json.dumps({"Status": "passing", "Output": "pulling"}))
    assert check_status(agent.api, "billing-1") == "passing"
    assert check_output(agent.api, "billing-1") == "pulling"


@pytest.mark.consul
def test_lists_the_instances_of_a_service(agent: ConsulAgent) -> None:
    register(agent.api)
    instances = wait_until(lambda: agent.api.service_instances("billing"), limit=30, what="the service to be listed")
    assert [(one["Service"]["ID"], one["Service"]["Port"]) for one in instances] == [("billing-1", 8080)]
    assert agent_services(agent.api)["billing-1"]["Tags"] == ["worker"]


@pytest.mark.consul
def test_knows_nothing_of_a_service_that_is_not_there(agent: ConsulAgent) -> None:
    assert check_status(agent.api, "shipping-1") is None
    assert check_output(agent.api, "shipping-1") is None
    assert agent.api.service_instances("shipping") == []


@pytest.mark.consul
def test_a_restarted_agent_has_its_port_and_has_forgotten_the_service(tmp_path: Path) -> None:
    with ConsulAgent(tmp_path) as agent:
        register(agent.api)
        port = agent.http_port
        agent.restart()
        assert agent.http_port == port
        assert agent_services(agent.api) == {}


@pytest.mark.consul
def test_a_stopped_agent_answers_nobody(tmp_path: Path) -> None:
    with ConsulAgent(tmp_path) as agent:
        agent.stop()
        with pytest.raises((OSError, http.client.HTTPException)):
            agent_services(agent.api)


@pytest.mark.consul
def test_with_acl_nothing_goes_without_a_token_and_everything_with_it(tmp_path: Path) -> None:
    with agent_with_acl(tmp_path) as agent:
        with pytest.raises(HarnessError, match="403"):
            register(ConsulApi("127.0.0.1", agent.http_port))
        register(agent.api)
        assert wait_until(lambda: agent.api.service_instances("billing"), limit=30, what="the service to be listed")


@pytest.mark.consul
def test_a_killed_owner_leaves_no_agent(tmp_path: Path, owner: Owner, runs: Callable[[int], bool]) -> None:
    program = """
        import signal, sys
        from pathlib import Path
        from natsgen.harness.consul_agent import ConsulAgent

        with ConsulAgent(Path(sys.argv[1])) as agent:
            print(agent.process.pid, flush=True)
            signal.pause()
    """
    process, line = owner(program, tmp_path)
    assert runs(int(line))
    process.kill()
    wait_until(lambda: not runs(int(line)), limit=30, what="the agent to be killed")


@pytest.mark.parametrize(("version", "grpc_tls"), [((1, 8), None), ((1, 22), -1)])
def test_the_configuration_has_only_keys_that_the_version_knows(version: tuple[int, int], grpc_tls: int | None) -> None:
    assert agent_configuration("node", (1, 2, 3), version)["ports"].get("grpc_tls") == grpc_tls


def test_a_missing_program_is_named_with_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("natsgen.harness.consul_agent.find_program", lambda name: None)
    with pytest.raises(ConsulMissing, match="`consul` is not on PATH"):
        ConsulAgent(tmp_path)
