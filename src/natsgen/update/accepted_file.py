"""Reads and writes the intentional changes to the template's files that `natsgen accept` records.

A file of the service has a line for each path, with a digest of the change rather than of the file. The change
therefore stays accepted when an update changes the rest of the file.
"""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Mapping
from pathlib import PurePosixPath

from natsgen.errors import ServiceError
from natsgen.files import tree
from natsgen.files.tree import File
from natsgen.files.workspace import SERVICES, Workspace

FILE = ".natsgen-accepted"
REMOVED = "removed"
_HEAD = (
    "# Accepted changes of this service, written by natsgen accept. natsgen check reports a change without its line.\n"
)

Accepted = Mapping[PurePosixPath, frozenset[str]]
"""The digests of accepted changes, by the path of the file in the workspace. A merge of branches may leave several."""


def place(service: str) -> PurePosixPath:
    """Return the path of a service's accepted changes, in the workspace."""
    return PurePosixPath(SERVICES, service, FILE)


def read(workspace: Workspace, service: str) -> Accepted:
    """Return the accepted changes of a service.

    Raises:
        ServiceError: the file has an invalid line.
    """
    path = place(service)
    file = tree.read_files(workspace, [path]).get(path)
    found: dict[PurePosixPath, frozenset[str]] = {}
    for number, line in enumerate((file.content if file else b"").decode(errors="replace").splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        digest, _, name = line.partition("  ")
        if not name:
            raise ServiceError(f"{path}, line {number}: expected a digest, two spaces and a path; remove the line")
        key = PurePosixPath(name)
        found[key] = found.get(key, frozenset()) | {digest}
    return found


def write(accepted: Accepted) -> File | None:
    """Return the file with these accepted changes; None if there are none."""
    lines = [f"{digest}  {path}\n" for path, digests in sorted(accepted.items()) for digest in sorted(digests)]
    return File((_HEAD + "".join(lines)).encode()) if lines else None


def digest(made: File | None, there: File | None) -> str:
    """Return a digest of the difference between the rendered file and the current one; None is a missing file."""
    if there is None:
        return REMOVED
    made = made or File(b"")
    old, new = (file.content.decode("latin-1").splitlines(keepends=True) for file in (made, there))
    lines = difflib.unified_diff(old, new, n=0)
    changed = [line for line in lines if line.startswith(("+", "-")) and line not in ("--- \n", "+++ \n")]
    mode = "" if made.executable == there.executable else f"executable: {there.executable}"
    return hashlib.sha256("".join([*changed, mode]).encode()).hexdigest()[:32]
