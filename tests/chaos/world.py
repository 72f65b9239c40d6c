"""What the workers of a row stand on: NATS alone or as a cluster, and, where the row asks for it, the rest."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar

from nats.js import JetStreamContext
from nats.js.api import StreamConfig

from natsgen.harness.consul_agent import ConsulAgent
from natsgen.harness.errors import HarnessError
from natsgen.harness.nats_server import NatsServer
from tests.chaos.access import Access
from tests.chaos.handler import EFFECTS, EFFECTS_SUBJECT, MAX_PAYLOAD, STREAM
from tests.chaos.waiting import patiently
from tests.harness_tools.nats_admin import reload
from tests.harness_tools.nats_cluster import NatsCluster
from tests.harness_tools.redis_server import RedisServer
from tests.harness_tools.tcp_proxy import TcpProxy

Part = TypeVar("Part")

DUPLICATE_WINDOW = 600.0
"""Seconds; longer than any row, so that no publisher's retry is outside of it (the server's default is 120)."""


@dataclass
class World:
    """The parts that run; those that a row did not ask for raise when they are used."""

    single: NatsServer | None = None
    cluster: NatsCluster | None = None
    proxy: TcpProxy | None = None
    consul: ConsulAgent | None = None
    redis: RedisServer | None = None
    access: Access | None = None
    max_payload: int = MAX_PAYLOAD
    settings: dict[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """Where the publisher connects to, which no fault of the network touches."""
        return self.cluster.url if self.cluster else self.server.url

    @property
    def server(self) -> NatsServer:
        """The one server of a row without a cluster."""
        return _there(self.single)

    @property
    def configuration(self) -> str:
        """What every server is configured with."""
        return f"max_payload: {self.max_payload}\n{self.access.configuration if self.access else ''}"

    @property
    def guard(self) -> Access:
        """What the server asks the workers for."""
        return _there(self.access)

    def reload(self) -> None:
        """Have the server read what is configured now; kill and start it where reading would end the publisher."""
        if self.access and self.access.shared:
            self.server.kill()
            self.server.configuration = self.configuration
            self.server.start()
        else:
            reload(self.server, self.configuration)

    @property
    def between(self) -> TcpProxy:
        """The proxy between the workers and the server."""
        return _there(self.proxy)

    @property
    def agent(self) -> ConsulAgent:
        """The Consul agent that the workers register with."""
        return _there(self.consul)

    @property
    def inbox_server(self) -> RedisServer:
        """The Redis that keeps the inbox."""
        return _there(self.redis)

    @property
    def nodes(self) -> NatsCluster:
        """The cluster of a row that has one."""
        return _there(self.cluster)


def _there(part: Part | None) -> Part:
    if part is None:
        raise HarnessError("the row did not ask for this part of the world")
    return part


@contextmanager
def world(
    folder: Path,
    *,
    cluster: bool,
    proxy: bool,
    consul: bool,
    redis: bool,
    access: type[Access] | None = None,
    max_payload: int = MAX_PAYLOAD,
) -> Iterator[World]:
    """Starts the parts, and gives them with the settings by which a worker finds them; all are ended at the end."""
    with ExitStack() as stack:
        here = World(settings={"CONSUL_ENABLED": "false"}, max_payload=max_payload)
        if access:
            here.access = access(folder / "access")
            here.settings |= here.access.settings
        if cluster:
            here.cluster = stack.enter_context(NatsCluster(folder / "nats", configuration=here.configuration))
            here.settings["STREAM_REPLICAS"] = "3"
        else:
            here.single = stack.enter_context(NatsServer(folder / "nats", configuration=here.configuration))
        here.settings["NATS_URL"] = here.url
        if proxy:
            here.proxy = stack.enter_context(TcpProxy(here.server.port))
            here.settings["NATS_URL"] = f"nats://127.0.0.1:{here.proxy.port}"
        if consul:
            here.consul = stack.enter_context(ConsulAgent(folder / "consul"))
            here.settings |= {
                "CONSUL_ENABLED": "true",
                "CONSUL_HOST": "127.0.0.1",
                "CONSUL_PORT": str(here.consul.http_port),
                "CONSUL_TTL": "3",
            }
        if redis:
            here.redis = stack.enter_context(RedisServer(folder / "redis"))
            here.settings["REDIS_URL"] = here.redis.url
        yield here


async def make_streams(jetstream: JetStreamContext, replicas: int) -> None:
    """The stream of the events and that of their effects."""
    for name, subject in ((STREAM, "orders.>"), (EFFECTS, EFFECTS_SUBJECT)):
        config = StreamConfig(name=name, subjects=[subject], num_replicas=replicas, duplicate_window=DUPLICATE_WINDOW)
        await patiently(partial(jetstream.add_stream, config))
