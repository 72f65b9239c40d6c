"""Python environments, created once for each set of requirements and shared by all users of that set."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import platform
import re
import shutil
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from natsgen.harness.commands import run
from natsgen.harness.errors import CommandFailed, HarnessError
from natsgen.harness.programs import absolute_program, find_program

INSTALL_SECONDS = 900.0
"""For the largest set over a slow network."""

UNUSED_SECONDS = 30 * 24 * 3600.0
"""Environments unused for this long are removed."""

# Variables that would make an installer use another environment.
_FOREIGN = (
    "VIRTUAL_ENV",
    "CONDA_PREFIX",
    "PYTHONPATH",
    "PYTHONHOME",
    "UV_PROJECT_ENVIRONMENT",
    "UV_PYTHON",
    "PIP_PREFIX",
)


def environment_for(requirements_file: Path, python: str | Path = sys.executable) -> Path:
    """Return the interpreter of an environment with exactly what `requirements_file` pins, created with `python`.

    The first call with this content, interpreter and platform creates it under `$XDG_CACHE_HOME/natsgen/environments`;
    processes may call concurrently. Every requirement must have a hash. `uv` installs if it is available, otherwise
    pip. Raises `HarnessError` with the end of the installer's output.
    """
    requirements_file = requirements_file.resolve()
    python = absolute_program(python)
    root = cache_folder()
    root.mkdir(parents=True, exist_ok=True)
    key = _key(requirements_file, python)
    folder = root / key
    interpreter = folder / "bin" / "python"
    stamp = folder / "natsgen-complete"
    with _locked(root / f"{key}.lock") as lock:
        # An environment contains its own path, so it is created in place; the stamp, written last, makes it valid.
        if not (stamp.exists() and interpreter.exists()):
            shutil.rmtree(folder, ignore_errors=True)
            try:
                _install(folder, requirements_file, python, lock)
            except CommandFailed as error:
                shutil.rmtree(folder, ignore_errors=True)
                raise HarnessError(f"cannot create the environment for {requirements_file}: {error}") from error
            except BaseException:
                shutil.rmtree(folder, ignore_errors=True)
                raise
        stamp.touch()
    prune(root)
    return interpreter


def cache_folder() -> Path:
    """Return the folder of the environments."""
    base = os.environ.get("XDG_CACHE_HOME") or ""
    return (Path(base) if Path(base).is_absolute() else Path.home() / ".cache") / "natsgen" / "environments"


def prune(root: Path, *, unused: float = UNUSED_SECONDS) -> list[Path]:
    """Remove the environments under `root` that were last used more than `unused` seconds ago; return them."""
    removed = []
    for stamp in root.glob("*/natsgen-complete"):
        if not _is_older(stamp, unused):
            continue
        with _locked(root / f"{stamp.parent.name}.lock"):
            if _is_older(stamp, unused):  # again, now that no other process can start using it
                stamp.unlink()  # first, so that a half-removed environment is not valid
                shutil.rmtree(stamp.parent, ignore_errors=True)
                removed.append(stamp.parent)
    return removed


def _is_older(stamp: Path, seconds: float) -> bool:
    try:
        return time.time() - stamp.stat().st_mtime > seconds
    except FileNotFoundError:
        return False


def _key(requirements_file: Path, python: str) -> str:
    probe = "import sys, sysconfig; print(sys.version, sysconfig.get_platform(), sys.base_prefix)"
    interpreter = run([python, "-c", probe], limit=30, environment=_clean_environment()).output
    digest = hashlib.sha256()
    for part in (interpreter, platform.machine(), *_contents(requirements_file, set())):
        digest.update(part.encode() + b"\0")
    return digest.hexdigest()[:24]


def _contents(file: Path, seen: set[Path]) -> Iterator[str]:
    """Yield the text of a requirements file and of every file that it includes."""
    if file in seen:
        return
    seen.add(file)
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise HarnessError(f"cannot read the requirements {file}: {error.strerror}") from error
    yield text
    for included in re.findall(r"^\s*(?:-r|-c|--requirement|--constraint)[ =]*([^\s#]+)", text, re.MULTILINE):
        yield from _contents((file.parent / included).resolve(), seen)


def _install(folder: Path, requirements_file: Path, python: str, lock: int) -> None:
    uv = find_program("uv")
    new = str(folder / "bin" / "python")
    what = ["--require-hashes", "-r", str(requirements_file)]
    if uv is not None:
        commands = [
            [str(uv), "venv", "--quiet", "--no-project", "--python", python, str(folder)],
            [str(uv), "pip", "install", "--quiet", "--python", new, *what],
        ]
    else:
        commands = [
            [python, "-m", "venv", str(folder)],
            [new, "-m", "pip", "install", "--quiet", "--no-input", *what],
        ]
    for command in commands:
        # The installer holds the lock too: if this process is killed, no other process builds here until it has ended.
        run(command, limit=INSTALL_SECONDS, folder=folder.parent, environment=_clean_environment(), inherit=(lock,))


def _clean_environment() -> Mapping[str, str]:
    return {name: value for name, value in os.environ.items() if name not in _FOREIGN}


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[int]:
    """Hold the lock at `path` and provide its descriptor; waits until no other process holds it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield descriptor
    finally:
        os.close(descriptor)  # not LOCK_UN, which would also release the lock of an installer that still runs
