"""Time limits of tasks: the late ones are cancelled, in time, and no other."""

from __future__ import annotations

import asyncio

from src.actions.deadlines import Deadlines

LIMIT = 10.0  # seconds


async def forever() -> None:
    await asyncio.Event().wait()


async def test_each_task_is_cancelled_when_its_time_is_over() -> None:
    loop = asyncio.get_running_loop()
    deadlines = Deadlines()
    ended: list[tuple[int, float]] = []
    tasks = []
    for number in range(3):
        due = loop.time() + 0.1 * (number + 1)
        task = asyncio.create_task(forever())
        task.add_done_callback(lambda _, number=number, due=due: ended.append((number, loop.time() - due)))
        deadlines.add(task, due)
        tasks.append(task)

    await asyncio.wait(tasks, timeout=LIMIT)

    assert [number for number, _ in ended] == [0, 1, 2]
    assert all(late > -0.01 for _, late in ended)  # a clock's step
    assert all(task.cancelled() and deadlines.is_late(task) for task in tasks)


async def test_a_task_that_has_ended_is_not_cancelled_and_the_next_one_is() -> None:
    loop = asyncio.get_running_loop()
    deadlines = Deadlines()
    quick, slow = (asyncio.create_task(forever()) for _ in range(2))
    for task in (quick, slow):
        deadlines.add(task, loop.time() + 0.1)
    assert not deadlines.discard(quick)

    await asyncio.wait([slow], timeout=LIMIT)

    assert (slow.cancelled(), quick.done()) == (True, False)
    assert not deadlines.is_late(quick)
    quick.cancel()


async def test_a_task_that_goes_on_although_it_is_late_holds_up_no_other() -> None:
    loop = asyncio.get_running_loop()
    deadlines = Deadlines()
    go_on = asyncio.Event()

    async def stubborn() -> None:
        try:
            await forever()
        except asyncio.CancelledError:
            await go_on.wait()

    first, second = asyncio.create_task(stubborn()), asyncio.create_task(forever())
    for task in (first, second):
        deadlines.add(task, loop.time() + 0.05)

    await asyncio.wait([second], timeout=LIMIT)

    assert (first.done(), second.cancelled()) == (False, True)
    go_on.set()
    await asyncio.wait([first], timeout=LIMIT)
    assert deadlines.is_late(first)
    assert deadlines.discard(first)
    assert not deadlines.is_late(first)
