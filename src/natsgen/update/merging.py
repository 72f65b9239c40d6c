"""Merges trees three ways: the template as it was, the template as it will be, and what a person made of it.

Copier's own update does this in the person's repository with git's index, which is why it can lose what is there. Here
it happens in memory, file by file: nothing is written before all of it is known. A change follows a file that the
template renames.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from difflib import SequenceMatcher
from pathlib import PurePosixPath

from natsgen import messages
from natsgen.files.tree import File, Tree
from natsgen.update import file_merge
from natsgen.update.file_merge import Names

LIKE = 0.5  # the part of the lines that two files must share, as for git


def find(gone: Tree, come: Tree) -> dict[PurePosixPath, PurePosixPath]:
    """Return the new path of each file that was renamed, by its old one; the most alike go together.

    Args:
        gone: the files that a newer template no longer has.
        come: the files that it has and the older one had not.
    """
    pairs = [(_likeness(old, new), before, after) for before, old in gone.items() for after, new in come.items()]
    found: dict[PurePosixPath, PurePosixPath] = {}
    for likeness, before, after in sorted(pairs, key=lambda pair: (-pair[0], pair[1], pair[2])):
        if likeness >= LIKE and before not in found and after not in found.values():
            found[before] = after
    return found


def _likeness(old: File, new: File) -> float:
    if old.content == new.content:
        return 1.0 if old.content.strip() else 0.0  # empty files are all alike
    matcher = SequenceMatcher(a=_lines(old), b=_lines(new), autojunk=False)
    return matcher.ratio() if matcher.real_quick_ratio() >= LIKE and matcher.quick_ratio() >= LIKE else 0.0


def _lines(file: File) -> list[bytes]:
    return [line for line in file.content.split(b"\n") if line.strip()]


@dataclass(frozen=True)
class Conflict:
    """A file that a person must decide about.

    Attributes:
        path: which one.
        why: what both sides did to it.
        has_markers: whether the merged file shows both sides between conflict markers.
    """

    path: PurePosixPath
    why: str
    has_markers: bool = False


@dataclass
class Merge:
    """What a merge comes to.

    Attributes:
        after: the files that change, as they will be; None for those that go.
        conflicts: where a person must decide; what is in `after` for these is a proposal.
        left_out: the files that the template changed and the person had removed: they stay away.
        renamed: the new path by the old one of the files that the person's change moved along with.
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
        ours: what is there of all those files.
        names: what conflict markers call the three.

    Raises:
        GitError: git refuses, or there is none.
    """
    result = Merge()
    result.renamed = _renamed(base, theirs, ours)
    for path in sorted({*base, *theirs}):
        if path in result.renamed or path in result.renamed.values():
            continue
        _merge_path(result, path, (base.get(path), theirs.get(path), ours.get(path)), names)
    for old, new in result.renamed.items():
        result.after[old] = None
        _merge_contents(result, new, (base[old], theirs[new], ours[old]), names, before=None)
    return result


def _renamed(base: Tree, theirs: Tree, ours: Tree) -> dict[PurePosixPath, PurePosixPath]:
    """Return the renamed files that the person changed; the others are removed and added."""
    gone = {path: file for path, file in base.items() if path not in theirs and ours.get(path) not in (None, file)}
    come = {path: file for path, file in theirs.items() if path not in base and path not in ours}
    return find(gone, come) if gone and come else {}


def _merge_path(
    result: Merge, path: PurePosixPath, sides: tuple[File | None, File | None, File | None], names: Names
) -> None:
    base, theirs, ours = sides
    if theirs in (base, ours) or (theirs is None and ours is None):
        return  # the template did not change it, or the person has it already
    if ours == base:
        result.after[path] = theirs
    elif ours is None:
        result.left_out.append(path)
    elif theirs is None:
        why = f"removed in {names.theirs}, but changed here"
        result.conflicts.append(Conflict(path, why))
    elif base is None:
        if ours.content == theirs.content:
            return
        nothing = File(b"", theirs.executable)
        _merge_contents(result, path, (nothing, theirs, ours), names, before=ours)
    else:
        _merge_contents(result, path, (base, theirs, ours), names, before=ours)


def _merge_contents(
    result: Merge, path: PurePosixPath, sides: tuple[File, File, File], names: Names, before: File | None
) -> None:
    base, theirs, ours = sides
    merged = file_merge.merge(path, ours, base, theirs, names)
    if merged.file != before:
        result.after[path] = merged.file
    if merged.conflicts:
        has_markers = file_merge.has_markers(merged.file.content)
        places = messages.counted(merged.conflicts, "place")
        why = (
            f"changed here and in {names.theirs}, in {places}" if has_markers else "binary file, changed on both sides"
        )
        result.conflicts.append(Conflict(path, why, has_markers))
