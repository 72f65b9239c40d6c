"""Keeps the inbox in Redis: `DEDUP=redis`."""

from __future__ import annotations

from uuid import uuid4

from redis.asyncio import Redis

from src.infrastructure.delivery import Claim

DONE = b"done"
TIME_LIMIT = 2.0  # seconds for one command

# only the worker that holds a claim renews it and gives it up
RENEW = "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('pexpire', KEYS[1], ARGV[2]) end return 0"
RELEASE = "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) end return 0"


class RedisInbox:
    """One key for each message: `done`, or the name of the worker that claims it, each with a time to live.

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

    async def claim(self, key: str, lease: float) -> tuple[Claim, bytes]:
        """See `Store.claim`."""
        if await self._redis.set(self._prefix + key, self._owner, nx=True, px=int(lease * 1000)):
            return Claim.TAKEN, self._owner
        found = await self._redis.get(self._prefix + key)
        return Claim.DONE if found == DONE else Claim.HELD, self._owner

    async def renew(self, key: str, lease: float, token: bytes) -> bytes:
        """See `Store.renew`."""
        await self._redis.eval(RENEW, 1, self._prefix + key, token, str(int(lease * 1000)))
        return token

    async def done(self, key: str) -> None:
        """See `Store.done`."""
        await self._redis.set(self._prefix + key, DONE, px=int(self._ttl * 1000))

    async def release(self, key: str, token: bytes) -> None:
        """See `Store.release`."""
        await self._redis.eval(RELEASE, 1, self._prefix + key, token)

    async def close(self) -> None:
        """See `Store.close`."""
        await self._redis.aclose()
