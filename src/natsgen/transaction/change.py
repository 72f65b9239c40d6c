"""A change of the workspace as data: the affected files before and after it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from natsgen.files.tree import File, Tree
from natsgen.transaction import diff


@dataclass(frozen=True)
class Change:
    """The files that a command adds, replaces and removes, by their paths in the workspace.

    Attributes:
        before: the files that it replaces or removes, as they were read.
        after: the files that it replaces or adds, as they will be.
        removable_folders: folders that are removed together with their last file. Any other folder stays, even if it
            is empty.
    """

    before: Tree = field(default_factory=dict)
    after: Tree = field(default_factory=dict)
    removable_folders: frozenset[PurePosixPath] = frozenset()

    @property
    def added(self) -> tuple[PurePosixPath, ...]:
        """Return the new paths."""
        return tuple(path for path in self.after if path not in self.before)

    @property
    def replaced(self) -> tuple[PurePosixPath, ...]:
        """Return the paths whose content changes."""
        return tuple(path for path in self.after if path in self.before)

    @property
    def removed(self) -> tuple[PurePosixPath, ...]:
        """Return the paths that no longer exist afterwards."""
        return tuple(path for path in self.before if path not in self.after)

    def with_other(self, other: Change) -> Change:
        """Return this change together with one of other files."""
        return Change(
            {**self.before, **other.before},
            {**self.after, **other.after},
            self.removable_folders | other.removable_folders,
        )

    def diff(self) -> str:
        """Return the change as a diff that `git apply` accepts."""
        return diff.unified(self.before, self.after)


def change_between(there: Tree, wanted: Mapping[PurePosixPath, File | None]) -> Change:
    """Return the change from the current files to the wanted ones; None stands for a file to remove."""
    differing = sorted(path for path, file in wanted.items() if file != there.get(path))
    after = {path: file for path in differing if (file := wanted[path]) is not None}
    before = {path: there[path] for path in differing if path in there}
    return Change(before, after, _removable_folders(before, after))


def _removable_folders(before: Tree, after: Tree) -> frozenset[PurePosixPath]:
    """Return the folders to remove with their last file: git does not keep empty folders either."""
    staying = {parent for path in after for parent in path.parents}
    leaving = {parent for path in before if path not in after for parent in path.parents[:-2]}
    return frozenset(leaving - staying)
