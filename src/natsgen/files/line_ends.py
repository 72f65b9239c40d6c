"""Line endings: a checkout with `core.autocrlf` has other ones than the template.

Text is compared and merged with the template's line endings, and written with those of the file that it replaces.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import PurePosixPath

from natsgen.files.tree import File, Tree

_WINDOWS, _UNIX = b"\r\n", b"\n"


def are_windows(content: bytes) -> bool:
    """Return whether every line of a text has a Windows line ending."""
    count = content.count(_UNIX)
    return count > 0 and content.count(_WINDOWS) == count and b"\0" not in content


def as_rendered(there: Tree, *rendered: Tree) -> Tree:
    """Return the files with the template's line endings.

    Args:
        there: the files.
        rendered: what the template renders, in one version or several.
    """
    return {path: _as_rendered(file, [one[path] for one in rendered if path in one]) for path, file in there.items()}


def as_on_disk(wanted: Mapping[PurePosixPath, File | None], there: Tree) -> dict[PurePosixPath, File | None]:
    """Return the wanted files, each with the line endings of the file that it replaces."""
    return {path: file and _as_on_disk(file, there.get(path)) for path, file in wanted.items()}


def is_same_text(there: bytes, rendered: bytes) -> bool:
    """Return whether two contents are equal, apart from line endings that git changed."""
    return there == rendered or (are_windows(there) and not are_windows(rendered) and _to_unix(there) == rendered)


def _as_rendered(file: File, rendered: list[File]) -> File:
    if not are_windows(file.content) or any(are_windows(one.content) for one in rendered):
        return file
    return replace(file, content=_to_unix(file.content))


def _as_on_disk(file: File, there: File | None) -> File:
    if there is None or not are_windows(there.content) or _WINDOWS in file.content or b"\0" in file.content:
        return file
    return replace(file, content=file.content.replace(_UNIX, _WINDOWS))


def _to_unix(content: bytes) -> bytes:
    return content.replace(_WINDOWS, _UNIX)
