"""Every file operation of every command that writes: it fails once, is interrupted once, and is killed once.

Whatever happens, the workspace is exactly as it was, or exactly as the command leaves it.
"""

from __future__ import annotations

import errno
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from natsgen.errors import NatsgenError
from natsgen.files.tree import Tree
from natsgen.files.workspace import Workspace
from natsgen.rendering import render
from tests.unit import breakable
from tests.unit.breakable import Command, Snapshot, counted, fresh_copy, recover, snapshot

# One command that creates, replaces and removes files has every kind of operation in it.
MORE = ("new worker", "add-handler", "add-action", "remove-handler", "init")
NAMES = ("update", *(pytest.param(name, marks=pytest.mark.slow) for name in MORE))


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    return breakable.worker_tree(Workspace(tmp_path_factory.mktemp("any") / "shop"))


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    wanted: str = request.param
    return wanted


@pytest.fixture
def command(name: str, worker: Tree, monkeypatch: pytest.MonkeyPatch) -> Command:
    monkeypatch.setattr(render, "render", breakable.rendered(worker))
    return breakable.commands(worker)[name]


@pytest.fixture
def prepared(tmp_path: Path, command: Command) -> Path:
    """The workspace before the command."""
    folder = tmp_path / "shop"
    folder.mkdir()
    command.prepare(Workspace(folder))
    return folder


@pytest.fixture
def states(prepared: Path, command: Command) -> tuple[Snapshot, Snapshot]:
    """What the workspace holds before and after the command."""
    done = fresh_copy(prepared, 0)
    command.run(done)
    before, after = snapshot(prepared), snapshot(done.root)
    assert before != after
    return before, after


def each_operation(
    command: Command, prepared: Path, at: Callable[[], None]
) -> Iterator[tuple[Workspace, Exception | None]]:
    """Runs the command until it is broken nowhere, each time on a fresh copy and broken one operation later."""
    number = 0
    while True:
        number += 1

        def break_it(done: int, wanted: int = number) -> None:
            if done == wanted:
                at()

        copy = fresh_copy(prepared, number)
        error = None
        with counted(break_it) as operations:
            try:
                command.run(copy)
            except (NatsgenError, OSError) as caught:
                error = caught
            except KeyboardInterrupt:
                pass
        if len(operations) < number:
            assert number > 20
            return
        yield copy, error


def no_space() -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def ctrl_c() -> None:
    raise KeyboardInterrupt


def test_one_failing_operation_leaves_the_workspace_as_it_was_or_complete(
    command: Command, prepared: Path, states: tuple[Snapshot, Snapshot]
) -> None:
    before, after = states
    for copy, error in each_operation(command, prepared, no_space):
        if error is None:
            recover(copy)  # only clearing up failed; the next command does that
        assert snapshot(copy.root) == (after if error is None else before), error


def test_ctrl_c_leaves_the_workspace_as_it_was_or_complete(
    command: Command, prepared: Path, states: tuple[Snapshot, Snapshot]
) -> None:
    for copy, _ in each_operation(command, prepared, ctrl_c):
        recover(copy)
        assert snapshot(copy.root) in states


def test_after_kill_9_the_next_command_leaves_the_workspace_as_it_was_or_complete(
    name: str, prepared: Path, states: tuple[Snapshot, Snapshot], environment: dict[str, str]
) -> None:
    process = subprocess.run(
        [sys.executable, "-m", "tests.unit.breakable", name, str(prepared)],
        cwd=Path(__file__).parents[2],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert process.returncode == 0, process.stderr
    found = [{path: tuple(entry) for path, entry in one.items()} for one in json.loads(process.stdout)]
    assert len(found) > 20
    assert all(one in states for one in found)
    assert all(state in found for state in states)  # some kills were early enough to undo, some late enough to finish
