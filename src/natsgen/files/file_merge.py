"""Three-way merge of one file: merges the template's change into the owner's file.

Most files are merged by lines, as in git. Files with the owner's dependencies next to the template's are merged by key
and by package.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath

from natsgen.files import by_key, git, scratch
from natsgen.files.tree import File

MARKERS = (b"<<<<<<< ", b"=======", b">>>>>>> ")
_MOST_CONFLICTS = 127  # git merge-file's exit code is their number, up to this limit
_LOOK_FOR_NUL = 8000  # bytes that git searches to detect binary files


@dataclass(frozen=True)
class Names:
    """The labels of the three sides in conflict markers."""

    ours: str
    base: str
    theirs: str


def merge(path: PurePosixPath, ours: File, base: File, theirs: File, names: Names) -> tuple[File, int]:
    """Merge the change from `base` to `theirs` into `ours`, the file at `path` in the workspace.

    Returns:
        The merged file, with conflict markers where both sides changed the same lines, and the number of conflicts. A
        binary file that both sides changed stays the owner's, with 1 conflict.

    Raises:
        GitError: git fails, or is not installed.
    """
    executable = ours.executable if base.executable == theirs.executable else theirs.executable
    if ours.content in (base.content, theirs.content):
        return File(theirs.content, executable), 0
    if base.content == theirs.content:
        return File(ours.content, executable), 0
    if any(b"\0" in file.content[:_LOOK_FOR_NUL] for file in (ours, base, theirs)):
        return File(ours.content, executable), 1
    sides = (ours.content, base.content, theirs.content)
    content, conflicts = _merge_text(*sides, names)
    merged = by_key.merge(path, *sides) if by_key.is_shared(path) else None
    if merged is not None and (conflicts or not by_key.is_same(path, content, merged)):
        content, conflicts = merged, 0
    return File(content, executable), conflicts


def has_markers(content: bytes) -> bool:
    """Return whether a text contains all three conflict markers, each at the beginning of a line."""
    lines = content.split(b"\n")
    return all(any(line.startswith(marker) for line in lines) for marker in MARKERS)


def _merge_text(ours: bytes, base: bytes, theirs: bytes, names: Names) -> tuple[bytes, int]:
    with scratch.folder() as folder:
        for side, content in (("ours", ours), ("base", base), ("theirs", theirs)):
            (folder / side).write_bytes(content)
        labels = [argument for label in (names.ours, names.base, names.theirs) for argument in ("-L", label)]
        fine = range(_MOST_CONFLICTS + 1)
        # outside every repository, so that no repository's configuration changes the style of the markers
        outside = {"GIT_CEILING_DIRECTORIES": str(folder.parent)}
        sides = ("ours", "base", "theirs")
        options = ("--stdout", "--quiet", *labels)
        done = git.run("merge-file", *options, *sides, folder=folder, variables=outside, fine=fine)
    return done.stdout, done.returncode
