"""Many letters at once, at a rate, each of them settled or left alone."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import TypeVar

from natsgen.dlq.session import Stop
from natsgen.errors import GoneError, LetterError, NatsError, StoppedError

IN_FLIGHT = 100
"""Letters that are worked on at once: enough for a distant server, little enough to settle within a moment."""

_Item = TypeVar("_Item")


@dataclass
class Tally:
    """How far it came.

    Attributes:
        total: how many there are.
        done: how many are settled.
        gone: how many somebody else had removed.
        failed: what could not be done, by ID.
    """

    total: int
    done: int = 0
    gone: int = 0
    failed: dict[int, str] = field(default_factory=dict)

    @property
    def settled(self) -> int:
        """How many need no more work, or cannot be done."""
        return self.done + self.gone + len(self.failed)


async def each(
    items: Iterable[_Item],
    work: Callable[[_Item], Awaitable[None]],
    tally: Tally,
    stop: Stop,
    *,
    number: Callable[[_Item], int],
    rate: float | None = None,
    progress: Callable[[int], None] = lambda _: None,
) -> None:
    """Does `work` for each item, several at once, begun in their order.

    A `LetterError` is counted and the others go on. On any other error, and when the person wishes to stop, nothing
    new begins, and it returns when what had begun is settled.

    Args:
        items: what there is to do.
        work: does one.
        tally: is kept while it runs.
        stop: the person's wish.
        number: the ID of an item, for the tally.
        rate: how many may begin in a second; None for no limit.
        progress: told how many are settled.

    Raises:
        NatsError: the first error of another kind.
        StoppedError: the person stopped it, and some are left.
    """
    rest = iter(items)
    pace = _Pace(rate, stop)
    errors: list[NatsError] = []

    async def work_on() -> None:
        for item in rest:
            await pace.wait()
            if stop.is_wished or errors:
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
            progress(tally.settled)

    stop.is_gentle = True
    await asyncio.gather(*(work_on() for _ in range(IN_FLIGHT)))
    if errors:
        raise errors[0]
    if stop.is_wished and tally.settled < tally.total:
        raise StoppedError("stopped")


class _Pace:
    """Lets the next begin when its time has come."""

    def __init__(self, rate: float | None, stop: Stop) -> None:
        self._gap = 1 / rate if rate else 0.0
        self._next = 0.0
        self._stop = stop

    async def wait(self) -> None:
        if not self._gap:
            return
        now = asyncio.get_running_loop().time()
        turn = max(now, self._next)
        self._next = turn + self._gap
        if turn > now:
            await self._stop.wait(turn - now)
