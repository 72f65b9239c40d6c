"""Keeps the inbox in Redis: `DEDUP=redis`."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any
from uuid import uuid4

from redis.asyncio import Redis

from src.inbox.handler_inbox import Claim

TIME_LIMIT = 2.0  # seconds for one command

# Each takes many keys. Only the worker that holds a claim extends it and gives it up.
CLAIM = """
local owners = {}
for number, key in ipairs(KEYS) do
  owners[number] = redis.call('get', key) or ARGV[1]
  if owners[number] == ARGV[1] then redis.call('set', key, ARGV[1], 'px', ARGV[2]) end
end
return table.concat(owners, ' ')
"""
DONE = "for _, key in ipairs(KEYS) do redis.call('set', key, 'done', 'px', ARGV[1]) end"
RELEASE = "for _, key in ipairs(KEYS) do if redis.call('get', key) == ARGV[1] then redis.call('del', key) end end"


class RedisInbox:
    """One key for each message: `done`, or the name of the worker that claims it, each with a time to live.

    Args:
        url: the Redis server.
        service: the prefix of every key.
        ttl: seconds that a handled message is remembered.
    """

    def __init__(self, url: str, service: str, ttl: float) -> None:
        self._redis: Any = Redis.from_url(url, socket_timeout=TIME_LIMIT, socket_connect_timeout=TIME_LIMIT)
        self._prefix = f"inbox:{service}:"
        self._ttl = ttl
        self._owner = uuid4().hex

    async def claim(self, claims: Mapping[str, None], lease: float) -> list[tuple[Claim, None]]:
        """See `Store.claim`; the worker's name is the same in all claims, so there are no tokens."""
        owners = await self._run(CLAIM, claims, self._owner, int(lease * 1000))
        taken = {self._owner: Claim.TAKEN, "done": Claim.DONE}
        return [(taken.get(owner, Claim.HELD), None) for owner in owners.decode().split()]

    async def done(self, keys: Collection[str]) -> None:
        """See `Store.done`."""
        await self._run(DONE, keys, int(self._ttl * 1000))

    async def release(self, claims: Mapping[str, None]) -> None:
        """See `Store.release`."""
        await self._run(RELEASE, claims, self._owner)

    async def close(self) -> None:
        """See `Store.close`."""
        await self._redis.aclose()

    async def _run(self, script: str, keys: Collection[str], *arguments: Any) -> Any:
        prefixed = [self._prefix + key for key in keys]
        return await self._redis.eval(script, len(prefixed), *prefixed, *arguments)
