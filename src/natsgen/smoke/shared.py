"""Servers that all samples of a run share, as processes: started when the first sample asks, stopped at the end."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from natsgen.harness.consul_agent import ConsulAgent
from natsgen.harness.consul_api import ConsulApi
from natsgen.harness.redis_server import RedisServer
from natsgen.smoke.steps import LeftOut
from natsgen.smoke.tools import Tools


class SharedServers:
    """A Consul agent and a Redis server, whose logs are in `folder`.

    Samples have different names and so do not meet in them. A NATS server each sample has of its own: streams would be
    shared. As a context manager it stops at the end what was started.
    """

    def __init__(self, folder: Path, tools: Tools) -> None:
        self._folder = folder
        self._tools = tools
        self._lock = threading.Lock()
        self._started = ExitStack()
        self._consul: ConsulAgent | None = None
        self._redis: RedisServer | None = None

    def consul(self) -> ConsulApi:
        """Return the Consul agent.

        Raises:
            LeftOut: there is no `consul` program.
            HarnessError: it does not start.
        """
        if self._tools.consul is None:
            raise LeftOut("there is no `consul` program on this machine")
        with self._lock:
            if self._consul is None:
                self._consul = self._started.enter_context(ConsulAgent(self._folder / "consul"))
            return self._consul.api

    def redis(self) -> str:
        """Return the address of the Redis server.

        Raises:
            LeftOut: there is no Docker, in which it runs.
            HarnessError: it does not start.
        """
        if not self._tools.docker:
            raise LeftOut(f"Redis runs in a container, and {self._tools.docker.reason}")
        with self._lock:
            if self._redis is None:
                self._redis = self._started.enter_context(RedisServer(self._folder / "redis"))
            return self._redis.url

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._started.close()
