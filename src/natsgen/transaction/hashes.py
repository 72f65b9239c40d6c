"""SHA-256 digests of files, to detect files that were modified meanwhile."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from natsgen.files import reading
from natsgen.files.tree import Tree

ITSELF = PurePosixPath()


def digest_of(content: bytes) -> str:
    """Return the SHA-256 of a file's content."""
    return hashlib.sha256(content).hexdigest()


def under(path: PurePosixPath, files: Tree) -> dict[PurePosixPath, str]:
    """Return the digests of the files at or below a path, by their paths relative to it."""
    return {one.relative_to(path): digest_of(file.content) for one, file in files.items() if one.is_relative_to(path)}


def is_changed(path: Path, digests: Mapping[PurePosixPath, str]) -> bool:
    """Return whether a file or folder differs from the content that has these digests."""
    if path.is_symlink():
        return True
    if not path.is_dir():
        return digests != {ITSELF: digest_of(reading.read_bytes(path))}
    found = {}
    for entry in all_in(path):
        if entry.is_symlink() or not entry.is_file():
            return True
        found[PurePosixPath(entry.relative_to(path))] = digest_of(reading.read_bytes(entry))
    return found != digests


def all_in(folder: Path) -> Iterator[Path]:
    """Yield everything under a folder that is not a folder, including symlinks to folders."""
    for parent, folders, names in os.walk(folder):
        yield from (Path(parent, name) for name in names)
        yield from (path for name in folders if (path := Path(parent, name)).is_symlink())
