"""Keeps the inbox in Redis: `DEDUP=redis`."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

from redis.asyncio import Redis

from src.inbox.claim import Claim

DONE = b"done"
TIME_LIMIT = 2.0  # seconds for one command
MOST_AT_ONCE = 500  # commands that travel together

# only the worker that holds a claim renews it and gives it up
RENEW = "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('pexpire', KEYS[1], ARGV[2]) end return 0"
RELEASE = "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) end return 0"


class RedisInbox:
    """One key for each message: `done`, or the name of the worker that claims it, each with a time to live.

    Commands that are given while others are on their way travel together, which takes a fraction of the time.

    Args:
        url: the Redis server.
        service: the prefix of every key.
        ttl: seconds that a handled message is remembered.
    """

    def __init__(self, url: str, service: str, ttl: float) -> None:
        self._redis = Redis.from_url(url, socket_timeout=TIME_LIMIT, socket_connect_timeout=TIME_LIMIT)
        self._prefix = f"inbox:{service}:"
        self._ttl = ttl
        self._owner = uuid4().hex.encode()
        self._waiting: list[tuple[tuple[Any, ...], asyncio.Future[Any]]] = []  # commands that have not been sent
        self._sending: asyncio.Task[None] | None = None

    async def claim(self, key: str, lease: float) -> tuple[Claim, bytes]:
        """See `Store.claim`."""
        if await self._do("SET", self._prefix + key, self._owner, "NX", "PX", int(lease * 1000)):
            return Claim.TAKEN, self._owner
        found = await self._do("GET", self._prefix + key)
        return Claim.DONE if found == DONE else Claim.HELD, self._owner

    async def renew(self, key: str, lease: float, token: bytes) -> bytes:
        """See `Store.renew`."""
        await self._do("EVAL", RENEW, 1, self._prefix + key, token, int(lease * 1000))
        return token

    async def done(self, key: str) -> None:
        """See `Store.done`."""
        await self._do("SET", self._prefix + key, DONE, "PX", int(self._ttl * 1000))

    async def release(self, key: str, token: bytes) -> None:
        """See `Store.release`."""
        await self._do("EVAL", RELEASE, 1, self._prefix + key, token)

    async def close(self) -> None:
        """See `Store.close`."""
        await self._redis.aclose()

    def _do(self, *command: Any) -> asyncio.Future[Any]:
        """Give a command; await the result for the answer."""
        answer = asyncio.get_running_loop().create_future()
        self._waiting.append((command, answer))
        if self._sending is None or self._sending.done():
            self._sending = asyncio.create_task(self._send())
        return answer

    async def _send(self) -> None:
        while commands := self._waiting[:MOST_AT_ONCE]:
            del self._waiting[:MOST_AT_ONCE]
            pipeline = self._redis.pipeline(transaction=False)
            for command, _ in commands:
                pipeline.execute_command(*command)
            try:
                answers = await pipeline.execute(raise_on_error=False)
            except Exception as error:
                answers = [error] * len(commands)
            for (_, waiting), answer in zip(commands, answers, strict=True):
                if waiting.done():
                    continue  # nobody waits any more
                if isinstance(answer, Exception):
                    waiting.set_exception(answer)
                else:
                    waiting.set_result(answer)
