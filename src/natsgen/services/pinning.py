"""Pins the dependencies in a service's pyproject.toml, and keeps every pin that is still valid."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from natsgen.errors import ServiceError
from natsgen.files import requirements, scratch, tree
from natsgen.files.requirements import Pinned
from natsgen.files.tree import File, Tree
from natsgen.files.workspace import SERVICES
from natsgen.services.writer import Writer
from natsgen.transaction.change import Change, change_between

PROJECT, RUNTIME, DEVELOPMENT = "pyproject.toml", "requirements.txt", "requirements-dev.txt"
GROUP = "dev"
HEAD = "# Pinned from pyproject.toml; README.md says how to add a dependency.\n"
_SECONDS = 600
_OPTIONS = (
    *("pip", "compile", "--quiet", "--universal", "--generate-hashes", "--no-emit-index-url"),
    *("--no-header", "--no-annotate", "--no-emit-find-links"),
)


@dataclass(frozen=True)
class Locked:
    """The result of pinning.

    Attributes:
        change: the change of the requirements files.
        pins: the added and removed pins, such as `+ httpx==0.28.1`.
    """

    change: Change
    pins: tuple[str, ...]


def lock(writer: Writer, service: str) -> Locked:
    """Pin the dependencies of a service, atomically.

    A pin and its hashes do not change unless a dependency no longer allows the version. Unused pins are removed.

    Args:
        writer: changes the workspace.
        service: the service's name.

    Raises:
        InputError: the service does not exist.
        ServiceError: uv is not installed, or cannot resolve the dependencies; the message contains its output.
        NatsgenError: the command failed; the workspace is as before.
    """
    workspace = writer.workspace
    with writer.session_of(service):
        folder = PurePosixPath(SERVICES, service)
        there = tree.read_files(workspace, [folder / name for name in (PROJECT, RUNTIME, DEVELOPMENT)])
        if folder / PROJECT not in there:
            raise ServiceError(f"{workspace.root / folder / PROJECT} is missing: it names the dependencies")
        before = {name: there.get(folder / name, File(b"")) for name in (RUNTIME, DEVELOPMENT)}
        old = {name: requirements.parse(file.content.decode()) for name, file in before.items()}
        runtime, development = _pinned(workspace.root / folder, there[folder / PROJECT].content, old)
        files = {RUNTIME: runtime, DEVELOPMENT: development}
        after: Tree = {
            folder / name: File(pinned.text().encode(), before[name].executable)
            for name, pinned in files.items()
            if pinned.packages or folder / name in there
        }
        change = change_between({path: file for path, file in there.items() if path in after}, after)
        writer.write(change, f"lock {service}")
    return Locked(change, tuple(_differences(_all_pins(old.values()), _all_pins(files.values()))))


def _pinned(service: Path, project: bytes, old: dict[str, Pinned]) -> tuple[Pinned, Pinned]:
    """Return the runtime pins of the service, and the pins for development only."""
    with scratch.folder() as folder:
        known = {**old[DEVELOPMENT].packages, **old[RUNTIME].packages}
        runtime = _compile(service, folder, RUNTIME, known, [])
        options = ["--constraints", RUNTIME, "--group", f"{service / PROJECT}:{GROUP}"] if _has_group(project) else None
        everything = _compile(service, folder, DEVELOPMENT, known, options) if options else {}
    only = {name: block for name, block in everything.items() if name not in runtime}
    head = old[DEVELOPMENT].head or f"{HEAD}-r {RUNTIME}\n"
    return Pinned(old[RUNTIME].head or HEAD, runtime), Pinned(head, only)


def _compile(service: Path, folder: Path, target: str, known: dict[str, str], options: list[str]) -> dict[str, str]:
    from natsgen.harness.programs import find_program

    uv = find_program("uv")
    if uv is None:
        raise ServiceError("uv is not installed; run: pip install uv")
    (folder / target).write_text(Pinned("", known).text())  # uv prefers the versions in the file that it writes
    command = [str(uv), *_OPTIONS, str(service / PROJECT), *options, "--output-file", target]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=_SECONDS)
    except subprocess.TimeoutExpired as error:
        raise ServiceError(f"uv did not finish in {_SECONDS} s; nothing was changed") from error
    if done.returncode:
        raise ServiceError(f"{service / PROJECT} cannot be pinned: {' '.join(done.stderr.split())}")
    found = requirements.parse((folder / target).read_text()).packages
    pins = {name: requirements.pins_of(block) for name, block in known.items()}
    same = {name for name, block in found.items() if requirements.pins_of(block) == pins.get(name)}
    return {name: known[name] if name in same else block for name, block in found.items()}


def _has_group(project: bytes) -> bool:
    import tomllib

    try:
        return GROUP in tomllib.loads(project.decode()).get("dependency-groups", {})
    except (UnicodeDecodeError, tomllib.TOMLDecodeError):
        return False  # uv reports the error


def _all_pins(files: Iterable[Pinned]) -> set[str]:
    return {pin for file in files for block in file.packages.values() for pin in requirements.pins_of(block)}


def _differences(old: set[str], new: set[str]) -> list[str]:
    changes = [(pin, "-") for pin in old - new] + [(pin, "+") for pin in new - old]
    return [f"{sign} {pin}" for pin, sign in sorted(changes, key=lambda one: (one[0].split("==")[0], one[1] == "+"))]
