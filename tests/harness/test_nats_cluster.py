"""A real cluster of three servers: one leader for everything, also after a server was killed or stepped down."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import nats
import pytest

from natsgen.harness.errors import HarnessError
from natsgen.harness.waiting import wait_until
from tests.harness_tools.freezing import freeze, resume
from tests.harness_tools.nats_cluster import NatsCluster
from tests.harness_tools.nats_request import ask_jetstream

Owner = Callable[..., tuple[subprocess.Popen[str], str]]
STREAM, DURABLE = "ORDERS", "billing"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsCluster]:
    with NatsCluster(tmp_path_factory.mktemp("cluster")) as cluster:
        asyncio.run(make_stream(cluster.url))
        yield cluster


async def make_stream(url: str) -> None:
    client = await nats.connect(url.split(","), allow_reconnect=False)
    jetstream = client.jetstream()
    await jetstream.add_stream(name=STREAM, subjects=["orders.>"], num_replicas=3)
    await jetstream.pull_subscribe("orders.>", durable=DURABLE)
    await client.close()


async def publish(url: str) -> int:
    client = await nats.connect(url.split(","))
    confirmed = await client.jetstream().publish("orders.order.created", b"", timeout=5)
    await client.close()
    return confirmed.seq


def other_than(leader: str, look: Callable[[], str]) -> str:
    return wait_until(lambda: (now := look()) != leader and now, limit=20, what="another leader")


def test_a_stream_has_three_replicas_and_a_leader(cluster: NatsCluster) -> None:
    info = ask_jetstream(cluster["n1"].port, f"STREAM.INFO.{STREAM}")["cluster"]
    assert {info["leader"], *(replica["name"] for replica in info["replicas"])} == {"n1", "n2", "n3"}
    assert cluster.stream_leader(STREAM) == info["leader"]


def test_a_stream_and_a_consumer_change_their_leader_when_told_to(cluster: NatsCluster) -> None:
    leader = cluster.stream_leader(STREAM)
    cluster.step_down_stream(STREAM)
    assert other_than(leader, lambda: cluster.stream_leader(STREAM)) in cluster.servers

    leader = cluster.consumer_leader(STREAM, DURABLE)
    cluster.step_down_consumer(STREAM, DURABLE)
    assert other_than(leader, lambda: cluster.consumer_leader(STREAM, DURABLE)) in cluster.servers


def test_a_killed_leader_is_replaced_and_comes_back_under_its_address(cluster: NatsCluster) -> None:
    before = asyncio.run(publish(cluster.url))
    leader = cluster.stream_leader(STREAM)
    url = cluster[leader].url
    cluster[leader].kill()
    other_than(leader, lambda: cluster.stream_leader(STREAM))
    assert asyncio.run(publish(cluster.url)) == before + 1
    cluster[leader].start()
    assert cluster[leader].url == url


def test_a_frozen_server_is_replaced_as_leader(cluster: NatsCluster) -> None:
    leader = cluster.stream_leader(STREAM)
    freeze(cluster[leader])
    try:
        with pytest.raises(TimeoutError):
            ask_jetstream(cluster[leader].port, f"STREAM.INFO.{STREAM}", limit=0.2)
        assert other_than(leader, lambda: cluster.stream_leader(STREAM)) in cluster.servers
    finally:
        resume(cluster[leader])


def test_what_jetstream_refuses_is_told(cluster: NatsCluster) -> None:
    def refusal() -> str:
        try:
            ask_jetstream(cluster["n1"].port, "STREAM.INFO.MISSING", limit=1.0)
        except HarnessError as error:  # a time-out is none: nobody answers while the cluster elects who would
            return "" if "temporarily unavailable" in str(error) else str(error)
        return "none"

    assert wait_until(refusal, limit=20, what="an answer").endswith("was refused: stream not found")


def test_has_no_address_before_its_first_start(tmp_path: Path) -> None:
    with pytest.raises(HarnessError, match="before its first start"):
        _ = NatsCluster(tmp_path).url


def test_a_killed_owner_leaves_no_server(tmp_path: Path, owner: Owner, runs: Callable[[int], bool]) -> None:
    program = """
        import signal, sys
        from pathlib import Path
        from tests.harness_tools.nats_cluster import NatsCluster

        with NatsCluster(Path(sys.argv[1])) as cluster:
            print(*(server.process.pid for server in cluster.servers.values()), flush=True)
            signal.pause()
    """
    process, line = owner(program, tmp_path)
    pids = [int(word) for word in line.split()]
    assert len(pids) == 3
    assert all(runs(pid) for pid in pids)
    process.kill()
    wait_until(lambda: not any(runs(pid) for pid in pids), limit=30, what="the servers to be killed")
