"""A change of the workspace as data: which files are there before and after it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from natsgen.files.tree import File, Tree
from natsgen.transaction import diff


@dataclass(frozen=True)
class Change:
    """What a command does, by paths in the workspace.

    Attributes:
        before: the files that it replaces or removes, as they were read.
        after: the files that it replaces or adds, as they will be.
        passing: folders that go together with their last file. Any other folder stays, empty or not.
    """

    before: Tree = field(default_factory=dict)
    after: Tree = field(default_factory=dict)
    passing: frozenset[PurePosixPath] = frozenset()

    @property
    def added(self) -> tuple[PurePosixPath, ...]:
        """The paths that are new."""
        return tuple(path for path in self.after if path not in self.before)

    @property
    def replaced(self) -> tuple[PurePosixPath, ...]:
        """The paths that get another content."""
        return tuple(path for path in self.after if path in self.before)

    @property
    def removed(self) -> tuple[PurePosixPath, ...]:
        """The paths that will be gone."""
        return tuple(path for path in self.before if path not in self.after)

    def diff(self) -> str:
        """Return the change as a diff that `git apply` takes."""
        return diff.unified(self.before, self.after)


def change_between(there: Tree, wanted: Mapping[PurePosixPath, File | None]) -> Change:
    """Return the change from what is there to what is wanted; None is a file that shall not be there."""
    differing = sorted(path for path, file in wanted.items() if file != there.get(path))
    after = {path: file for path in differing if (file := wanted[path]) is not None}
    before = {path: there[path] for path in differing if path in there}
    return Change(before, after, _passing(before, after))


def _passing(before: Tree, after: Tree) -> frozenset[PurePosixPath]:
    """Return the folders that may go with their last file: git keeps no empty ones either."""
    staying = {parent for path in after for parent in path.parents}
    leaving = {parent for path in before if path not in after for parent in path.parents[:-2]}
    return frozenset(leaving - staying)
