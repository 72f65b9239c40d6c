"""Replaying or deleting many dead letters concurrently; each is settled or stays in the stream."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from natsgen.dlq import headers, reading
from natsgen.dlq.command import Stop
from natsgen.dlq.connection import ApiError, Connection
from natsgen.dlq.letters import STREAM, Letter, Summary
from natsgen.errors import GoneError, LetterError, NatsError, StoppedError
from natsgen.parts import naming

IN_FLIGHT = 100
"""Letters processed concurrently: enough for a distant server, few enough to settle quickly after an interrupt."""

_Item = TypeVar("_Item")


@dataclass
class Tally:
    """The progress of a bulk operation.

    Attributes:
        total: the number of items.
        done: the number of items that succeeded.
        gone: the number of letters that were already removed.
        failed: the reason for each failed item, by ID.
    """

    total: int
    done: int = 0
    gone: int = 0
    failed: dict[int, str] = field(default_factory=dict)

    @property
    def settled(self) -> int:
        """Return the number of items that need no more work."""
        return self.done + self.gone + len(self.failed)


async def each(
    items: Iterable[_Item],
    work: Callable[[_Item], Awaitable[None]],
    tally: Tally,
    stop: Stop,
    *,
    number: Callable[[_Item], int],
    rate: float | None = None,
    progress: Callable[[int, int], None] = lambda _, total: None,
) -> None:
    """Call `work` for each item, several concurrently, started in their order.

    A `LetterError` is counted, and the other items continue. After any other error, or a request to stop, no new item
    starts, and the function returns when the started ones have settled.

    Args:
        items: the items to process.
        work: processes one item.
        tally: updated while it runs.
        stop: the user's request to stop.
        number: returns the ID of an item, for the tally.
        rate: the number of items to start in a second; None for no limit.
        progress: receives the number of settled items and the total.

    Raises:
        NatsError: the first error of another kind.
        StoppedError: the user stopped it before all items were settled.
    """
    rest = iter(items)
    errors: list[NatsError] = []
    clock = asyncio.get_running_loop().time
    turn = clock()

    async def process() -> None:
        nonlocal turn
        for item in rest:
            if rate:
                pause, turn = turn - clock(), max(turn, clock()) + 1 / rate
                await stop.wait(max(pause, 0))
            if stop.is_requested or errors:
                return
            try:
                await work(item)
            except GoneError:
                tally.gone += 1
            except LetterError as error:
                tally.failed[number(item)] = str(error)
            except NatsError as error:
                errors.append(error)
                return
            else:
                tally.done += 1
            progress(tally.settled, tally.total)

    stop.is_graceful = True
    await asyncio.gather(*(process() for _ in range(IN_FLIGHT)))
    if errors:
        raise errors[0]
    if stop.is_requested and tally.settled < tally.total:
        raise StoppedError("stopped")


_NO_SUCH_SEQUENCE = 10043


async def remove(connection: Connection, wanted: Summary) -> None:
    """Remove a letter, but not another one that has its ID because the stream was created again.

    Raises:
        GoneError: it was already removed.
    """
    await read(connection, wanted)
    try:
        await connection.api(f"STREAM.MSG.DELETE.{STREAM}", {"seq": wanted.id, "no_erase": True})
    except ApiError as error:
        if error.error_code == _NO_SUCH_SEQUENCE:
            raise GoneError(f"dead letter {wanted.id} is no longer in the stream") from error
        raise


async def read(connection: Connection, wanted: Summary) -> Letter:
    """Return a letter in full.

    Raises:
        GoneError: it was removed, or another letter has its ID.
    """
    found = await reading.letter(connection, wanted.id)
    if not found.summary().is_same(wanted):
        raise GoneError(f"dead letter {wanted.id} is now a different one, because the stream was created again")
    return found


async def purge(
    connection: Connection, stop: Stop, letters: Sequence[Summary], tally: Tally, progress: Callable[[int, int], None]
) -> None:
    """Delete the letters, oldest first. A payload that is still with its original message stays there.

    Raises:
        NatsError: an error stopped it; `tally` has its progress.
        StoppedError: the user stopped it.
    """
    await each(letters, lambda one: remove(connection, one), tally, stop, number=lambda one: one.id, progress=progress)


@dataclass(frozen=True)
class Target:
    """The target of replays.

    Attributes:
        subject: the subject to publish on; None for the handler that failed.
        stream: the stream that must acknowledge.
    """

    subject: str | None
    stream: str


async def target_for(connection: Connection, subject: str | None) -> Target:
    """Return the target of a replay to `subject`, or to the failing handlers.

    Raises:
        NatsError: no stream captures the subject.
    """
    if subject is None:
        return Target(None, STREAM)
    names = (await connection.api("STREAM.NAMES", {"subject": subject})).get("streams") or []
    if not names:
        raise NatsError(f"no stream captures {subject} at {connection.server}")
    return Target(subject, str(names[0]))


async def subjects_without_consumer(connection: Connection, letters: Iterable[Summary], target: Target) -> list[str]:
    """Return the subjects of replays to handlers that no consumer of the stream receives, sorted."""
    subjects = {f"replay.{letter.service}.{letter.handler}" for letter in letters if letter.service}
    if not subjects or target.subject is not None:
        return []
    filters: list[str] = []
    offset, total = 0, 1
    while offset < total:
        page = await connection.api(f"CONSUMER.LIST.{STREAM}", {"offset": offset})
        configs = [consumer["config"] for consumer in page.get("consumers") or []]
        for config in configs:
            filters += config.get("filter_subjects") or [config.get("filter_subject") or ">"]
        offset, total = offset + len(configs), int(page["total"]) if configs else 0
    return sorted(subject for subject in subjects if not any(naming.matches(one, subject) for one in filters))


async def replay(
    connection: Connection,
    stop: Stop,
    letters: Sequence[Summary],
    target: Target,
    tally: Tally,
    rate: float | None,
    progress: Callable[[int, int], None],
) -> None:
    """Replay the letters, oldest first.

    Raises:
        NatsError: an error stopped it; `tally` has its progress.
        StoppedError: the user stopped it.
    """

    async def replay_one(summary: Summary) -> None:
        await _publish(connection, await read(connection, summary), target)
        await remove(connection, summary)

    await each(letters, replay_one, tally, stop, number=lambda one: one.id, rate=rate, progress=progress)


async def _publish(connection: Connection, letter: Letter, target: Target) -> None:
    to_handler = target.subject is None
    subject = letter.replay_subject() if target.subject is None else target.subject
    payload = await reading.payload_of(connection, letter)
    sent = letter.replay_headers(to_handler=to_handler)
    if bad := next((name for name, _ in sent if not headers.NAME.fullmatch(name)), None):
        raise LetterError(f"invalid header name {bad!r}: use letters, digits and hyphens")
    if (size := len(payload) + headers.size(sent)) > connection.max_payload:
        instead = "; --to-subject sends it with fewer headers" if to_handler else ""
        raise LetterError(f"{size} bytes with headers exceed the server's limit of {connection.max_payload}{instead}")
    acknowledged = await connection.publish(subject, payload, sent)
    if acknowledged.stream != target.stream:
        raise NatsError(
            f"{subject} was captured by the stream {acknowledged.stream}, not by {target.stream}; the letter was kept"
        )
