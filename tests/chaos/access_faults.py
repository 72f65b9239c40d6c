"""Faults of access: what a worker shows is renewed, and what it may do is taken away and given back."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tests.chaos.access import Access, Permissions, is_refused
from tests.chaos.faults import AWAY_SECONDS, NOTICE_SECONDS
from tests.chaos.waiting import until

if TYPE_CHECKING:
    from tests.chaos.run import Run

RELOAD_SECONDS = 10.0
"""How long the server may take to do what it has read."""


async def rotated(run: Run) -> None:
    """The server asks for what is new, and the worker is given it later; what it had before is of no use any more."""
    for moment in run.moments(1 if run.short else 2, last=0.6):
        await run.until(moment)
        await _rotate(run, run.world.guard)


async def _rotate(run: Run, access: Access) -> None:
    (worker,) = run.fleet.workers
    before = (await asyncio.to_thread(worker.stats))["nats_connections"]
    old = access.client
    if await is_refused(run.world.url, old):
        run.broken.append("what the worker shows was refused too early")
    access.renew()
    await asyncio.to_thread(run.world.reload)
    await until(lambda: is_refused(run.world.url, old), limit=RELOAD_SECONDS, what="the old ones to be refused")
    if run.world.proxy:
        run.world.between.cut()  # which the server does by itself for all but certificates
    await until(lambda: _reason(run), limit=NOTICE_SECONDS, what="the worker to say that it is shut out")
    await run.lasts(AWAY_SECONDS)
    access.hand_out()

    async def connected_anew() -> bool:
        return bool((await asyncio.to_thread(worker.stats))["nats_connections"] > before and not await _reason(run))

    await until(connected_anew, limit=NOTICE_SECONDS, what="the worker to use the new ones")


async def subscribe_denied(run: Run) -> None:
    """The worker may not subscribe to its inbox: no events, and no confirmations of what it publishes."""
    await _denied(run, 'subscribe: {deny: ["_INBOX_billing.>"]}', "subscription")


async def publish_denied(run: Run) -> None:
    """The worker may not publish what its handlers publish."""
    await _denied(run, 'publish: {deny: ["effects.>"]}', "publish to effects.made")


async def ack_denied(run: Run) -> None:
    """The worker may not acknowledge."""
    await _denied(run, 'publish: {deny: ["$JS.ACK.>"]}', "publish to $js.ack.>")


async def _denied(run: Run, denied: str, said: str) -> None:
    access = run.world.guard
    assert isinstance(access, Permissions), "the row asks for them"
    for moment in run.moments(1, last=0.4):
        await run.until(moment)
        access.deny(denied)
        run.world.reload()

        async def told() -> bool:
            return f"permissions violation for {said}" in await _reason(run)

        await until(told, limit=NOTICE_SECONDS, what="the worker to say what it may not do")
        await run.lasts(AWAY_SECONDS)
        access.deny("")
        run.world.reload()

        async def ready() -> bool:
            return not await _reason(run)

        await until(ready, limit=NOTICE_SECONDS, what="the worker to be ready")


async def _reason(run: Run) -> str:
    """Why the worker is not ready; empty if it is."""
    answer = await asyncio.to_thread(run.fleet.workers[0].get, "/readyz")
    return "" if answer.status == 200 else str(answer.json()["reason"])
