"""What of the tool is measured, and where: the commands by name, each in a folder made for it."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from benchmarks import tool_rivals, tool_workspaces
from benchmarks.tool_commands import Measured, execute
from benchmarks.tool_workspaces import ADD_HANDLER, NEW_WORKER, WORKSPACE, forget_added, forget_all, natsgen
from natsgen.rendering import template_source

HANDLERS = 50
SERVICES = (1, 10, 100, 300, 1000)

HELP, EMPTY = "natsgen --help", "a Typer program that does nothing, --help"
NEW, ADD = "natsgen new worker", "natsgen add-handler"
ADD_TO_MANY = f"natsgen add-handler, to {HANDLERS} handlers"
LIST_HANDLERS = f"natsgen list, 1 service of {HANDLERS} handlers"
COPIER, COPIER_WITHOUT_GIT = "copier copy", "copier copy, no git on the PATH"
COOKIECUTTER = "cookiecutter"

EMPTY_TYPER = """
import typer

app = typer.Typer(rich_markup_mode=None)


@app.command()
def nothing() -> None:
    pass


app()
"""


def listing(count: int) -> str:
    """Return the name of `natsgen list` in a workspace with so many services."""
    return f"natsgen list, {count:,} {'service' if count == 1 else 'services'}"


def prepare(folder: Path, python: Path) -> list[Measured]:
    """Make in `folder` what the commands need.

    Args:
        folder: an empty one.
        python: the interpreter that has cookiecutter.

    Returns:
        The commands, in the order of a round: what is compared stands side by side.

    Raises:
        SystemExit: a command fails, or natsgen's rivals do not make the same files.
    """
    environment = person_in(folder)
    one = tool_workspaces.with_one_service(folder / "one", environment)
    many = tool_workspaces.with_handlers(folder / "many", environment, HANDLERS)
    (folder / "nothing.py").write_text(EMPTY_TYPER)
    add = natsgen(*ADD_HANDLER)
    commands = [
        Measured(EMPTY, [sys.executable, "-m", "nothing", "--help"], folder, environment),
        Measured(HELP, natsgen("--help"), folder, environment),
        *new_workers(folder / "new", python, environment),
        Measured(ADD, add, folder / "one", environment, partial(forget_added, one)),
        Measured(ADD_TO_MANY, add, folder / "many", environment, partial(forget_added, many)),
        Measured(LIST_HANDLERS, natsgen("list"), folder / "many", environment),
    ]
    for count in SERVICES:
        place = tool_workspaces.with_services(folder / f"services-{count}", one, count)
        commands.append(Measured(listing(count), natsgen("list"), place, environment))
    return commands


def person_in(folder: Path) -> dict[str, str]:
    """Return an environment without a person's own defaults, in which everything is compiled once, as installed."""
    own = {name: value for name, value in os.environ.items() if name == "PYTHONPATH" or not name.startswith("PYTHON")}
    return {**own, "HOME": str(folder), "PYTHONPYCACHEPREFIX": str(folder / "bytecode")}


def new_workers(folder: Path, python: Path, environment: Mapping[str, str]) -> list[Measured]:
    """Return what makes a worker, natsgen first, each in a folder of its own."""
    plain = tool_rivals.make_plain(template_source.bundled().folder, folder / "plain")
    answers = _answers(folder / "answers" / WORKSPACE, environment)
    equivalent = tool_rivals.make_cookiecutter(plain, folder / "equivalent", answers)
    copier = tool_rivals.copier(plain, answers)
    programs = {
        NEW: (natsgen(*NEW_WORKER), environment),
        COPIER: (copier, environment),
        COPIER_WITHOUT_GIT: (copier, {**environment, "PATH": str(folder)}),
        COOKIECUTTER: (tool_rivals.cookiecutter(python, equivalent), environment),
    }
    commands = []
    made: dict[str, bytes] = {}
    for number, (name, (command, variables)) in enumerate(programs.items()):
        place = folder / str(number) / WORKSPACE
        here = place.parent if name == COOKIECUTTER else place  # it makes the workspace's folder itself
        here.mkdir(parents=True)
        execute(command, here, variables)
        made = made or tool_rivals.files_of(place)
        _refuse_difference(name, made, tool_rivals.files_of(place))
        forget_all(here)
        commands.append(Measured(name, command, here, variables, partial(forget_all, here)))
    return commands


def _answers(place: Path, environment: Mapping[str, str]) -> dict[str, object]:
    """Return what natsgen answers the template's questions with, in a workspace like `place`."""
    place.mkdir(parents=True)
    said = json.loads(execute(natsgen(*NEW_WORKER, "--dry-run", "--json"), place, environment))
    answers: dict[str, object] = said["answers"]
    return answers


def _refuse_difference(name: str, expected: Mapping[str, bytes], found: Mapping[str, bytes]) -> None:
    different = sorted(path for path in {*expected, *found} if expected.get(path) != found.get(path))
    if different:
        raise SystemExit(f"{name} does not make what {NEW} makes, so that they cannot be compared: {different}")
