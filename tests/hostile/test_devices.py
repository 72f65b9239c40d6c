"""What is no regular file in a clone, or larger than any file of a service: told or left out, and never read."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

import natsgen
from tests.hostile.cases import SERVICE
from tests.hostile.places import Place

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
SECONDS = 25


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
import contextlib, io, json, sys
from natsgen.cli import main
ended = []
for command in json.loads(sys.argv[1]):
    said = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        code = main([*command, "--no-input"])
    said.flush()
    ended.append([code, said.buffer.getvalue().decode()])
print(json.dumps(ended))
"""


def run(place: Place, commands: Sequence[tuple[str, ...]]) -> Iterator[tuple[tuple[str, ...], int, str]]:
    """Runs natsgen in one process with little memory and time; yields each command, its exit code and what it said.

    Whatever it says, natsgen itself says it, and nothing of somebody's file.
    """
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, json.dumps(commands)],
        cwd=place.workspace,
        env={**os.environ, "PYTHONPATH": str(Path(natsgen.__file__).parents[1])},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY)),
    )
    assert done.returncode == 0, done.stderr
    for command, (code, said) in zip(commands, json.loads(done.stdout), strict=True):
        assert code in (0, 1, 2), said
        for text in ("bug in natsgen", "Traceback", "No module named", "root:"):
            assert text not in said, said
        yield command, code, said


@pytest.mark.parametrize("files", [ANSWERS, SOURCE, ROOT], ids=["answers", "source", "root"])
@pytest.mark.parametrize("kind", KINDS)
def test_no_command_reads_it(files: tuple[Path, ...], kind: str, with_service: Place) -> None:
    for file in files:
        (with_service.workspace / file).unlink(missing_ok=True)
        KINDS[kind](with_service.workspace / file)
    commands = (("new", "worker", "other", "--subject", "a.b"), ("init",)) if files is ROOT else COMMANDS
    for command, code, said in run(with_service, commands):
        if files is ROOT:
            assert code, said
        elif command != ("list",) and files is ANSWERS:
            assert f".copier-answers.yml cannot be read: it is {TOLD[kind]}" in said


@pytest.mark.parametrize("folder", ["src", "src/domain/handlers", "."])
def test_a_folder_that_leads_round_or_away_is_not_walked(folder: str, with_service: Place) -> None:
    (with_service.workspace / SERVICE_FOLDER / "src/round").symlink_to(".")
    (with_service.workspace / SERVICE_FOLDER / "src/away").symlink_to("/")
    path = with_service.workspace / SERVICE_FOLDER / folder
    path = Path(os.path.normpath(path))
    path.rename(path.with_name("moved"))
    path.symlink_to("/")
    assert len(list(run(with_service, COMMANDS))) == len(COMMANDS)


LAUGHS = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12)
)


@pytest.mark.parametrize("more", [LAUGHS, "a: &a [*a]\n", "a: &a {b: *a}\n", "a: " + "9" * 10_000 + "\n"])
def test_answers_that_aliases_make_endless_are_refused_at_once(more: str, with_service: Place) -> None:
    answers = with_service.workspace / SERVICE_FOLDER / ".copier-answers.yml"
    answers.write_text(answers.read_text() + more)
    for _, _, said in run(with_service, COMMANDS[1:3]):
        assert "is no YAML" in said
