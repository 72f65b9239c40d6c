"""Three-way merge of trees: the old template, the new template, and the owner's files.

Copier's own update merges in the user's repository with git's index, and can therefore lose files. This module merges
in memory, file by file, and nothing is written before the whole result is known. Changes follow a file that the
template renames.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from difflib import SequenceMatcher
from pathlib import PurePosixPath

from natsgen import messages
from natsgen.files import file_merge
from natsgen.files.file_merge import Names
from natsgen.files.tree import File, Tree

LIKE = 0.5  # the minimum share of common lines in a renamed file, as in git


def find(gone: Tree, come: Tree) -> dict[PurePosixPath, PurePosixPath]:
    """Return the new paths of renamed files by their old paths; the most similar files match first.

    Args:
        gone: the files that only the older template has.
        come: the files that only the newer template has.
    """
    pairs = [(_likeness(old, new), before, after) for before, old in gone.items() for after, new in come.items()]
    found: dict[PurePosixPath, PurePosixPath] = {}
    for likeness, before, after in sorted(pairs, key=lambda pair: (-pair[0], pair[1], pair[2])):
        if likeness >= LIKE and before not in found and after not in found.values():
            found[before] = after
    return found


def _likeness(old: File, new: File) -> float:
    if old.content == new.content:
        return 1.0 if old.content.strip() else 0.0  # all empty files are equal
    matcher = SequenceMatcher(a=_lines(old), b=_lines(new), autojunk=False)
    return matcher.ratio() if matcher.real_quick_ratio() >= LIKE and matcher.quick_ratio() >= LIKE else 0.0


def _lines(file: File) -> list[bytes]:
    return [line for line in file.content.split(b"\n") if line.strip()]


@dataclass(frozen=True)
class Conflict:
    """A file that the owner must resolve.

    Attributes:
        path: the path of the file.
        why: what both sides did to it.
        has_markers: whether the merged file contains conflict markers.
    """

    path: PurePosixPath
    why: str
    has_markers: bool = False


@dataclass
class Merge:
    """The result of a merge.

    Attributes:
        after: the changed files; None for removed ones.
        conflicts: the files that the owner must resolve; their content in `after` is a proposal.
        left_out: the files that the template changed and the owner had removed; they are not restored.
        renamed: the new paths by the old ones, of renamed files that keep the owner's changes.
    """

    after: dict[PurePosixPath, File | None] = field(default_factory=dict)
    conflicts: list[Conflict] = field(default_factory=list)
    left_out: list[PurePosixPath] = field(default_factory=list)
    renamed: dict[PurePosixPath, PurePosixPath] = field(default_factory=dict)


def merge(base: Tree, theirs: Tree, ours: Tree, names: Names) -> Merge:
    """Merge the change from `base` to `theirs` into `ours`.

    Args:
        base: the older template's files.
        theirs: the newer template's files.
        ours: the current versions of those files.
        names: the labels of the three sides in conflict markers.

    Raises:
        GitError: git fails, or is not installed.
    """
    result = Merge(renamed=_renamed(base, theirs, ours))
    for path in sorted({*base, *theirs} - {*result.renamed, *result.renamed.values()}):
        _merge_path(result, path, base.get(path), theirs.get(path), ours.get(path), names)
    for old, new in result.renamed.items():
        result.after[old] = None
        result.after[new] = _merged(result, new, base[old], theirs[new], ours[old], names)
    return result


def _renamed(base: Tree, theirs: Tree, ours: Tree) -> dict[PurePosixPath, PurePosixPath]:
    """Return the renamed files that the owner changed; the others are removed and added."""
    gone = {path: file for path, file in base.items() if path not in theirs and ours.get(path) not in (None, file)}
    come = {path: file for path, file in theirs.items() if path not in base and path not in ours}
    return find(gone, come) if gone and come else {}


def _merge_path(
    result: Merge, path: PurePosixPath, base: File | None, theirs: File | None, ours: File | None, names: Names
) -> None:
    if theirs in (base, ours):
        return  # the template did not change it, or the owner has the change already
    if ours == base:
        result.after[path] = theirs
    elif ours is None:
        result.left_out.append(path)
    elif theirs is None:
        why = f"removed in {names.theirs}, but changed here"
        result.conflicts.append(Conflict(path, why))
    elif base is not None or ours.content != theirs.content:
        merged = _merged(result, path, base or File(b"", theirs.executable), theirs, ours, names)
        if merged != ours:
            result.after[path] = merged


def _merged(result: Merge, path: PurePosixPath, base: File, theirs: File, ours: File, names: Names) -> File:
    """Return the merged file, and add its conflicts to the result."""
    merged, conflicts = file_merge.merge(path, ours, base, theirs, names)
    if conflicts:
        has_markers = file_merge.has_markers(merged.content)
        places = messages.counted(conflicts, "place")
        why = (
            f"changed here and in {names.theirs}, in {places}" if has_markers else "binary file, changed on both sides"
        )
        result.conflicts.append(Conflict(path, why, has_markers))
    return merged
