"""Line ends as git takes them: a checkout with `core.autocrlf` has other ones than the template, and nothing else.

Text is compared and merged with the template's line ends, and written with those of the file that it replaces.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import PurePosixPath

from natsgen.files.tree import File, Tree

_WINDOWS, _UNIX = b"\r\n", b"\n"


def are_windows(content: bytes) -> bool:
    """Return whether a text has the line ends of Windows, in every line."""
    count = content.count(_UNIX)
    return count > 0 and content.count(_WINDOWS) == count and b"\0" not in content


def as_made(there: Tree, *made: Tree) -> Tree:
    """Return files as they are, with the line ends that the template makes.

    Args:
        there: the files.
        made: what the template makes, in one version or several.
    """
    return {path: _as_made(file, [one[path] for one in made if path in one]) for path, file in there.items()}


def as_there(wanted: Mapping[PurePosixPath, File | None], there: Tree) -> dict[PurePosixPath, File | None]:
    """Return files as they shall be, each with the line ends of the one that it replaces."""
    return {path: file and _as_there(file, there.get(path)) for path, file in wanted.items()}


def is_same_text(there: bytes, made: bytes) -> bool:
    """Return whether two contents differ in nothing but line ends that git changed."""
    return there == made or (are_windows(there) and not are_windows(made) and _to_unix(there) == made)


def _as_made(file: File, made: list[File]) -> File:
    if not are_windows(file.content) or any(are_windows(one.content) for one in made):
        return file
    return replace(file, content=_to_unix(file.content))


def _as_there(file: File, there: File | None) -> File:
    if there is None or not are_windows(there.content) or _WINDOWS in file.content or b"\0" in file.content:
        return file
    return replace(file, content=file.content.replace(_UNIX, _WINDOWS))


def _to_unix(content: bytes) -> bytes:
    return content.replace(_WINDOWS, _UNIX)
