"""A real Redis, in a container: what it confirmed is there again after a kill, and nothing of it stays."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis.exceptions
from redis import Redis

from natsgen.harness.waiting import wait_until
from tests.harness_tools.redis_server import RedisServer

pytestmark = pytest.mark.redis

Owner = Callable[..., tuple[subprocess.Popen[str], str]]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with RedisServer(tmp_path_factory.mktemp("redis")) as server:
        yield server


def test_what_it_confirmed_outlives_a_kill_and_a_restart(server: RedisServer) -> None:
    url = server.url
    with Redis.from_url(url) as client:
        client.set("paid", "yes")
    server.kill()
    with pytest.raises(redis.exceptions.ConnectionError):
        Redis.from_url(url).ping()
    server.start()
    server.restart()
    assert server.url == url
    with Redis.from_url(url) as client:
        assert client.get("paid") == b"yes"


def test_a_frozen_one_is_silent_until_resumed(server: RedisServer) -> None:
    with Redis.from_url(server.url, socket_timeout=0.3) as client:
        server.freeze()
        with pytest.raises(redis.exceptions.TimeoutError):
            client.ping()
        server.resume()
        assert client.ping()


def test_a_killed_owner_leaves_no_container(tmp_path: Path, owner: Owner) -> None:
    program = """
        import signal, sys
        from pathlib import Path
        from tests.harness_tools.redis_server import RedisServer

        with RedisServer(Path(sys.argv[1])) as server:
            print(server._container, flush=True)
            signal.pause()
    """
    process, name = owner(program, tmp_path)
    assert exists(name)
    process.kill()
    wait_until(lambda: not exists(name), limit=20, what="the container to be removed")


def exists(container: str) -> bool:
    listed = ["docker", "ps", "--all", "--quiet", "--filter", f"name={container}"]
    return bool(subprocess.run(listed, check=True, capture_output=True, text=True).stdout.strip())
