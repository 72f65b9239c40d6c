"""A file that is there whole or not at all, and never replaces another."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from natsgen.errors import ConflictError
from natsgen.transaction import fsops

_PRIVATE = 0o600  # payloads are nobody else's business


@contextmanager
def whole_file(path: Path) -> Iterator[Callable[[bytes], object]]:
    """Gives what writes to the file, which gets its name when the block ends without an error.

    Raises:
        ConflictError: something of that name is there; an older export may be all that is left of its letters.
        OSError: it cannot be written.
    """
    _refuse_existing(path)
    aside = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error  # the name that the person knows
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file.write
            file.flush()
            os.fsync(file.fileno())
        _refuse_existing(path)
        fsops.move(aside, path)
    finally:
        aside.unlink(missing_ok=True)


def _refuse_existing(path: Path) -> None:
    if os.path.lexists(path):
        raise ConflictError(f"{path} is there already: name another file, or move it away")
