"""What is no regular file in a clone, or larger than any file of a service: told or left out, and never read."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

import natsgen
from tests.hostile.cases import SERVICE
from tests.hostile.places import Place, make_place

SERVICE_FOLDER = Path("services", SERVICE)
ANSWERS = (SERVICE_FOLDER / ".copier-answers.yml",)
ROOT = (Path("natsgen.toml"), Path(".gitignore"))
SOURCE = (
    SERVICE_FOLDER / "src/x.py",
    SERVICE_FOLDER / "src/domain/handlers/a_handler.py",
    SERVICE_FOLDER / "src/domain/handlers/order_created_handler.py",
    SERVICE_FOLDER / "src/config.py",
    SERVICE_FOLDER / "src/main.py",
    SERVICE_FOLDER / "pyproject.toml",
    Path("compose", f"{SERVICE}.yml"),
)
COMMANDS = (
    ("list",),
    ("show", SERVICE),
    ("check", "--all"),
    ("add-handler", SERVICE, "orders.order.paid", "--dry-run"),
    ("remove-handler", SERVICE, "order_created", "--dry-run"),
)
TOLD = {
    "link to endless zeros": "a symbolic link",
    "link to somebody's file": "a symbolic link",
    "pipe": "a device, a pipe or a socket",
    "large": "larger than 200,000 bytes",
}
MEMORY = 2_000_000_000  # bytes of address space
SECONDS = 120  # for the commands at all places, which take ten on a quiet machine


def large(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(20_000_000_000)  # without taking any place on the disk


KINDS: dict[str, Callable[[Path], None]] = {
    "link to endless zeros": lambda path: path.symlink_to("/dev/zero"),
    "pipe": os.mkfifo,
    "large": large,
    "link to somebody's file": lambda path: path.symlink_to("/etc/passwd"),
}


PROGRAM = """
import contextlib, io, json, os, sys
from natsgen.cli import main
ended = []
for folder, command in json.loads(sys.argv[1]):
    os.chdir(folder)
    said = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        code = main([*command, "--no-input"])
    said.flush()
    ended.append([code, said.buffer.getvalue().decode()])
print(json.dumps(ended))
"""


class Ended(NamedTuple):
    """A command, its exit code and what it said."""

    command: tuple[str, ...]
    code: int
    said: str


def run(places: Sequence[Place], commands: Sequence[tuple[str, ...]]) -> list[list[Ended]]:
    """Runs natsgen in one process with little memory and time; returns what ended, for each place in turn.

    Whatever it says, natsgen itself says it, and nothing of somebody's file.
    """
    asked = [(str(place.workspace), command) for place in places for command in commands]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, json.dumps(asked)],
        env={**os.environ, "PYTHONPATH": str(Path(natsgen.__file__).parents[1])},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY)),
    )
    assert done.returncode == 0, done.stderr
    ended = [
        Ended(command, code, said) for (_, command), (code, said) in zip(asked, json.loads(done.stdout), strict=True)
    ]
    for _, code, said in ended:
        assert code in (0, 1, 2), said
        for text in ("bug in natsgen", "Traceback", "No module named", "root:"):
            assert text not in said, said
    return [ended[first : first + len(commands)] for first in range(0, len(ended), len(commands))]


@pytest.fixture
def places(harmless: Place, tmp_path: Path) -> Callable[[int], list[Place]]:
    """Makes as many places with services."""
    return lambda count: [make_place(tmp_path / str(number), harmless) for number in range(count)]


Places = Callable[[int], list[Place]]


@pytest.mark.parametrize("files", [ANSWERS, SOURCE, ROOT], ids=["answers", "source", "root"])
def test_no_command_reads_it(files: tuple[Path, ...], places: Places) -> None:
    spoilt = places(len(KINDS))
    for place, make in zip(spoilt, KINDS.values(), strict=True):
        for file in files:
            (place.workspace / file).unlink(missing_ok=True)
            make(place.workspace / file)
    commands = (("new", "worker", "other", "--subject", "a.b"), ("init",)) if files is ROOT else COMMANDS
    for kind, ended in zip(KINDS, run(spoilt, commands), strict=True):
        for command, code, said in ended:
            if files is ROOT:
                assert code, (kind, said)
            elif command != ("list",) and files is ANSWERS:
                assert f".copier-answers.yml cannot be read: it is {TOLD[kind]}" in said


def test_a_folder_that_leads_round_or_away_is_not_walked(places: Places) -> None:
    folders = ("src", "src/domain/handlers", ".")
    spoilt = places(len(folders))
    for place, folder in zip(spoilt, folders, strict=True):
        (place.workspace / SERVICE_FOLDER / "src/round").symlink_to(".")
        (place.workspace / SERVICE_FOLDER / "src/away").symlink_to("/")
        path = Path(os.path.normpath(place.workspace / SERVICE_FOLDER / folder))
        path.rename(path.with_name("moved"))
        path.symlink_to("/")
    assert len(run(spoilt, COMMANDS)) == len(folders)


LAUGHS = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12)
)
ENDLESS = (LAUGHS, "a: &a [*a]\n", "a: &a {b: *a}\n", "a: " + "9" * 10_000 + "\n")


def test_answers_that_aliases_make_endless_are_refused_at_once(places: Places) -> None:
    spoilt = places(len(ENDLESS))
    for place, more in zip(spoilt, ENDLESS, strict=True):
        answers = place.workspace / SERVICE_FOLDER / ".copier-answers.yml"
        answers.write_text(answers.read_text() + more)
    for more, ended in zip(ENDLESS, run(spoilt, COMMANDS[1:3]), strict=True):
        for _, _, said in ended:
            assert "is not valid YAML" in said, more
