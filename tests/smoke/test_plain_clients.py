"""Clients that know nothing of natsgen find a service by the micro service protocol, call it, and read its statistics.

One is written with nats-py, the other with the npm package `@nats-io/transport-node`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from nats.aio.client import Client

from natsgen.harness.commands import run
from natsgen.harness.nats_server import NatsServer
from natsgen.harness.programs import need_program
from tests.smoke.conftest import StartService, natsgen

pytestmark = pytest.mark.slow  # tests/runtime has the wire format; this has somebody else's clients

RUN_SECONDS = 60.0
PAYLOAD = '{"name": "Ada"}'
SUBJECT = "v1.greeter.greet"


@pytest.fixture
def two_instances(tmp_path: Path, start_service: StartService) -> None:
    """The service `greeter` as it is made, twice."""
    natsgen(tmp_path / "shop", "new", "service", "greeter", "--action", "greet")
    for name in ("greeter-1", "greeter-2"):
        start_service(tmp_path / "shop/services/greeter", name)


@pytest.mark.usefixtures("two_instances")
async def test_nats_py_knows_the_service_and_calls_it(client: Client) -> None:
    async def everybody(asked: str) -> list[dict[str, Any]]:
        inbox = client.new_inbox()
        answers = await client.subscribe(inbox)
        await client.publish(asked, reply=inbox)
        return [json.loads((await answers.next_msg(timeout=RUN_SECONDS)).data) for _ in range(2)]

    async def call(payload: str) -> dict[str, Any]:
        reply = await client.request(SUBJECT, payload.encode(), timeout=RUN_SECONDS)
        return {"headers": reply.headers or {}, "body": json.loads(reply.data)}

    pings = await everybody("$SRV.PING")
    listed = await everybody("$SRV.INFO.greeter")
    answered, refused = await call(PAYLOAD), await call("{}")

    is_as_it_should_be(pings, listed, answered, refused, await everybody("$SRV.STATS.greeter"))


@pytest.mark.node
@pytest.mark.usefixtures("two_instances")
def test_transport_node_knows_the_service_and_calls_it(node_client: Path, nats_server: NatsServer) -> None:
    node = need_program("node", hint="install Node.js")

    told = run(
        [node, node_client / "client.js", nats_server.url, "greeter", SUBJECT, PAYLOAD], limit=RUN_SECONDS
    ).output

    is_as_it_should_be(**json.loads(told))


def is_as_it_should_be(
    pings: list[dict[str, Any]],
    listed: list[dict[str, Any]],
    answered: dict[str, Any],
    refused: dict[str, Any],
    statistics: list[dict[str, Any]],
) -> None:
    """What a client was told by two instances, of which one each answered its two calls."""
    assert [(one["type"], one["name"], one["version"]) for one in pings] == [
        ("io.nats.micro.v1.ping_response", "greeter", "0.1.0")
    ] * 2
    assert {one["id"] for one in pings} == {one["id"] for one in listed} == {one["id"] for one in statistics}
    assert {one["metadata"]["hostname"] for one in listed} == {"greeter-1", "greeter-2"}
    for one in listed:
        assert (one["type"], one["description"]) == ("io.nats.micro.v1.info_response", "Answers greet")
        (endpoint,) = one["endpoints"]
        assert (endpoint["name"], endpoint["subject"], endpoint["queue_group"]) == ("greet", SUBJECT, "q")
        assert json.loads(endpoint["metadata"]["request_schema"])["required"] == ["name"]
        assert json.loads(endpoint["metadata"]["response_schema"])["required"] == ["message"]
    assert answered == {"headers": {}, "body": {"result": {"message": "Hello Ada!"}}}
    assert refused["headers"]["Nats-Service-Error-Code"] == refused["body"]["error"]["code"] == "422"
    assert refused["headers"]["Nats-Service-Error"] == refused["body"]["error"]["message"]
    endpoints = [endpoint for one in statistics for endpoint in one["endpoints"]]
    assert [(endpoint["name"], endpoint["subject"]) for endpoint in endpoints] == [("greet", SUBJECT)] * 2
    assert sum(endpoint["num_requests"] for endpoint in endpoints) == 2
    assert sum(endpoint["num_errors"] for endpoint in endpoints) == 1
    assert sum(endpoint["processing_time"] for endpoint in endpoints) > 0
