"""A change of the workspace as data: which files are there before and after it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import PurePosixPath

from natsgen import diff
from natsgen.tree import Tree


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
        """The change as a diff that `git apply` takes."""
        return diff.unified(self.before, self.after)
