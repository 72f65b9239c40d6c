"""Find a running `natsgen dev` by a file in the user's state directory, which it locks while it runs."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from natsgen.errors import LockedError
from natsgen.transaction.state import make_folder, users_folder


@dataclass(frozen=True)
class Running:
    """A running `natsgen dev`.

    Attributes:
        pid: its process.
        nats: the address of its NATS.
        page: the address of its page with the token; empty without one.
    """

    pid: int
    nats: str
    page: str = ""


@contextmanager
def only_one(root: Path) -> Iterator[Path]:
    """Lock the file of a workspace's only `natsgen dev`, and yield it.

    Raises:
        LockedError: another one runs.
    """
    file = _file(root)
    make_folder(file.parent)
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LockedError(f"natsgen dev already runs in {root}: {_of(file)}") from None
        yield file
        os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)


def announce(file: Path, running: Running) -> None:
    """Write the addresses for other commands."""
    file.write_text(json.dumps(asdict(running)), encoding="utf-8")


def find(root: Path) -> Running | None:
    """Return the running `natsgen dev` of a workspace; None if there is none."""
    file = _file(root)
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return None  # not locked: its content is stale
    except BlockingIOError:
        return _read(file)
    finally:
        os.close(descriptor)


def _read(file: Path) -> Running | None:
    try:
        return Running(**json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def _of(file: Path) -> str:
    found = _read(file)
    return f"process {found.pid}{f', {found.page}' if found.page else ''}" if found else "it is starting"


def _file(root: Path) -> Path:
    key = hashlib.sha256(os.fsencode(root.resolve())).hexdigest()[:16]
    return users_folder("XDG_STATE_HOME", ".local/state") / "natsgen" / f"dev-{key}.json"
