"""Finds which new file of a template is an old one of another name, so that a person's change moves along."""

from __future__ import annotations

from difflib import SequenceMatcher
from pathlib import PurePosixPath

from natsgen.files.tree import File, Tree

LIKE = 0.5  # the part of the lines that two files must share, as for git


def find(gone: Tree, come: Tree) -> dict[PurePosixPath, PurePosixPath]:
    """The new path of each file that was renamed, by its old one; the most alike go together.

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
