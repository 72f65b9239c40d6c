"""Changes a workspace for a command: exclusively, atomically, and not on a dry run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from natsgen.files.workspace import Workspace
from natsgen.services import listing
from natsgen.transaction import transaction
from natsgen.transaction.change import Change


@dataclass(frozen=True)
class Writer:
    """Changes one workspace.

    Attributes:
        workspace: the workspace, which is created if it does not exist.
        dry_run: check everything and change nothing.
        notify: called with notes, such as that an interrupted command was finished.
    """

    workspace: Workspace
    dry_run: bool
    notify: Callable[[str], None]

    @contextmanager
    def session(self) -> Iterator[None]:
        """Prevent other commands from changing the workspace."""
        if self.dry_run and not self.workspace.root.exists():
            yield
            return
        with transaction.session(self.workspace, self.notify):
            yield

    @contextmanager
    def session_of(self, service: str) -> Iterator[Path]:
        """Provide the folder of a service, and prevent other commands from changing the workspace.

        Raises:
            InputError: the service does not exist.
        """
        listing.require_service(self.workspace, service)  # before the session, which would create a missing workspace
        with self.session():
            yield listing.require_service(self.workspace, service)

    def write(self, change: Change, title: str) -> None:
        """Apply a change atomically; on a dry run, only check that it could be applied.

        Raises:
            NatsgenError: the change failed; the workspace is as before.
        """
        transaction.check(self.workspace, change)
        if not self.dry_run and (change.before or change.after):
            transaction.apply(self.workspace, change, title)
