"""List, show, replay and purge dead letters on the page."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from natsgen.dev.readable import payload_of
from natsgen.dlq import bulk, reading, selection
from natsgen.dlq.bulk import Tally
from natsgen.dlq.command import Stop
from natsgen.dlq.connection import Connection
from natsgen.dlq.letters import Summary
from natsgen.dlq.selection import Chosen, Selection

MOST = 500  # dead letters that are listed, the newest


async def listed(connection: Connection) -> list[dict[str, Any]]:
    """Return the newest dead letters, newest first."""
    return [_row(summary) for summary in list((await _choose(connection, [])).letters)[: -MOST - 1 : -1]]


async def shown(connection: Connection, number: int) -> dict[str, Any]:
    """Return a dead letter in full."""
    found = await reading.letter_with_payload(connection, number)
    headers = dict(found.letter.headers)
    content = found.payload or b""
    return {
        **_row(found.letter.summary()),
        "headers": headers,
        "stack": headers.get("Dlq-Stack", "").replace("\\n", "\n"),
        "payload": payload_of(content, len(content)),
        "problem": found.problem,
    }


async def change(connection: Connection, what: str, numbers: list[int]) -> dict[str, Any]:
    """Replay dead letters to the handlers that failed, or purge them, and return the counts."""
    chosen = (await _choose(connection, numbers)).letters
    tally = Tally(len(chosen))
    if what == "purge":
        await bulk.purge(connection, Stop(), chosen, tally, lambda *_: None)
    else:
        target = await bulk.target_for(connection, None)
        await bulk.replay(connection, Stop(), chosen, target, tally, None, lambda *_: None)
    return asdict(tally)


async def _choose(connection: Connection, numbers: list[int]) -> Chosen:
    return await selection.choose(connection, Selection(), numbers, lambda *_: None)


def _row(summary: Summary) -> dict[str, Any]:
    return {
        "id": summary.id,
        "service": summary.service,
        "handler": summary.handler,
        "reason": summary.reason,
        "time": summary.when.timestamp(),
        "error": summary.error,
    }
