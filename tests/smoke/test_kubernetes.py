"""The custom resources of a worker against a real server: NACK's make what the worker makes, and KEDA's count right."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import nats
import pytest
import yaml
from nats.aio.client import Client
from nats.js.api import KeyValueConfig, StorageType

from natsgen.harness.nats_server import NatsServer
from natsgen.harness.waiting import wait_until
from tests.smoke.conftest import StartService, natsgen
from tests.smoke.traffic import event

SECONDS = {"s": 1.0, "h": 3600.0}
WAITING = 1_203
Document = dict[str, Any]


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A worker with handlers, a task, a publisher and an inbox, and with manifests."""
    workspace = tmp_path_factory.mktemp("workspace")
    handlers = "{order_created: orders.order.created, all: {subject: orders.>, durable: Archive, concurrency: 3}}"
    parts = ("handlers=" + handlers, "tasks={send_email: {queue: emails}}", "publishers={beat: events.beat}")
    data = [word for part in parts for word in ("--data", part)]
    natsgen(workspace, "new", "worker", "billing", *data, "--dedup", "nats-kv", "--deploy", "kubernetes")
    handler = workspace / "services/billing/src/domain/handlers/order_created_handler.py"
    options = 'ack_wait=2.5, max_ack_pending=2000, deliver="all", publishes=["invoices.written"]'
    handler.write_text(handler.read_text().replace('.created")', f'.created", {options})', 1))
    natsgen(workspace, "repair", "billing")
    return workspace / "services/billing"


def resources(worker: Path, component: str) -> list[Document]:
    files = sorted((worker / "deploy/kubernetes/components" / component).glob("*.yaml"))
    found = [one for file in files for one in yaml.safe_load_all(file.read_text())]
    return [one for one in found if not one["apiVersion"].startswith("kustomize")]


async def apply(client: Client, found: list[Document]) -> None:
    """Create what NACK would create, by the requests that it sends."""
    specs = {kind: [one["spec"] for one in found if one["kind"] == kind] for kind in ("Stream", "KeyValue", "Consumer")}
    names = {"replicas": "num_replicas", "allowMsgSchedules": "allow_msg_schedules", "allowMsgTtl": "allow_msg_ttl"}
    for spec in specs["Stream"]:
        config = {names.get(key, key): value for key, value in spec.items() if key != "preventDelete"}
        await ask(client, f"STREAM.CREATE.{spec['name']}", config)
    for spec in specs["KeyValue"]:
        ttl = seconds(spec["ttl"])
        bucket = KeyValueConfig(spec["bucket"], history=spec["history"], ttl=ttl, storage=StorageType(spec["storage"]))
        await client.jetstream().create_key_value(bucket)
    for spec in specs["Consumer"]:
        config = {
            "durable_name": spec["durableName"],
            "filter_subject": spec["filterSubject"],
            "deliver_policy": spec["deliverPolicy"],
            "ack_policy": spec["ackPolicy"],
            "ack_wait": round(seconds(spec["ackWait"]) * 1e9),
            "max_ack_pending": spec["maxAckPending"],
            "max_deliver": spec["maxDeliver"],
        }
        request = {"stream_name": spec["streamName"], "config": config}
        await ask(client, f"CONSUMER.DURABLE.CREATE.{spec['streamName']}.{spec['durableName']}", request)


def seconds(duration: str) -> float:
    return float(duration[:-1]) * SECONDS[duration[-1]]


async def ask(client: Client, subject: str, request: Document) -> None:
    reply = json.loads((await client.request(f"$JS.API.{subject}", json.dumps(request).encode(), timeout=30)).data)
    assert "error" not in reply, (subject, reply["error"])


def configurations(server: NatsServer) -> dict[str, Any]:
    """Every stream and consumer of a server with its configuration, without what only says who made it."""
    found = {}
    for stream in streams(server):
        found[stream["name"]] = stream["config"]
        for one in stream.get("consumer_detail", ()):
            found[f"{stream['name']}/{one['name']}"] = one["config"]
    return {name: {key: value for key, value in one.items() if key != "metadata"} for name, one in found.items()}


def streams(server: NatsServer) -> list[Document]:
    """What KEDA reads."""
    (account,) = server.jsz("acc=$G&consumers=true&config=true")["account_details"]
    return list(account["stream_detail"])


def replicas(server: NatsServer, worker: Path, least: int | None = None) -> int:
    """The number of replicas that KEDA and its HorizontalPodAutoscaler set: of the trigger that wants most.

    `least` is what an overlay sets as minReplicaCount. KEDA starts the first replica for any lag at all, since
    activationLagThreshold is 0, and `ceil` says the same.
    """
    (scaled,) = (one["spec"] for one in resources(worker, "keda") if one["kind"] == "ScaledObject")
    wanted = [scaled["minReplicaCount"] if least is None else least]
    for trigger in (one["metadata"] for one in scaled["triggers"]):
        (stream,) = (one for one in streams(server) if one["name"] == trigger["stream"])
        (consumer,) = (one for one in stream["consumer_detail"] if one["name"] == trigger["consumer"])
        lag = consumer["num_pending"] + consumer["num_ack_pending"]
        wanted.append(math.ceil(lag / int(trigger["lagThreshold"])))
    return min(max(wanted), scaled["maxReplicaCount"])


async def test_a_worker_verifies_the_resources_of_nack_and_keda_scales_it_by_them(
    worker: Path, start_service: StartService, nats_server: NatsServer, client: Client, tmp_path: Path
) -> None:
    start_service(worker, "creates")
    await client.publish("orders.order.created", event(0))  # the first message opens the inbox
    await client.flush()
    wait_until(lambda: "KV_inbox_billing" in configurations(nats_server), limit=60, what="all buckets")
    made = configurations(nats_server)
    assert made["ORDERS/billing-order_created"]["ack_wait"] == 2.5e9
    with NatsServer(tmp_path / "other") as other:
        another = await nats.connect(other.url)
        await apply(another, resources(worker, "nack"))
        assert configurations(other) == made

        assert (replicas(other, worker), replicas(other, worker, least=0)) == (1, 0)
        await another.publish("orders.order.created", event(WAITING))
        await another.flush()
        wait_until(lambda: replicas(other, worker, least=0) == 1, limit=60, what="a replica for one message")
        for number in range(WAITING):
            await another.publish("orders.order.created", event(number))
        await another.flush()
        three = math.ceil(WAITING / 501)
        wait_until(lambda: replicas(other, worker, least=0) == three, limit=60, what="three replicas")

        start_service(worker, "verifies", NATS_URL=other.url, STREAM_MODE="verify")
        wait_until(lambda: replicas(other, worker, least=0) == 0, limit=120, what="no replica, when all is done")
        assert replicas(other, worker) == 1
        await another.close()
