"""Changes a workspace for a command: alone, whole or not at all, and on a dry run not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from natsgen.services import listing
from natsgen.transaction import transaction
from natsgen.transaction.change import Change
from natsgen.workspace import Workspace


@dataclass(frozen=True)
class Writer:
    """Changes one workspace.

    Attributes:
        workspace: that is changed; created if it is missing.
        dry_run: find out everything and change nothing.
        notify: is told what else happened, such as that an interrupted command was finished.
    """

    workspace: Workspace
    dry_run: bool
    notify: Callable[[str], None]

    @contextmanager
    def session(self) -> Iterator[None]:
        """Keep other commands from changing the workspace."""
        if self.dry_run and not self.workspace.root.exists():
            yield
            return
        with transaction.session(self.workspace, self.notify):
            yield

    @contextmanager
    def session_of(self, service: str) -> Iterator[Path]:
        """Provide the folder of a service, while other commands are kept from changing the workspace.

        Raises:
            InputError: there is no such service.
        """
        listing.require_service(self.workspace, service)  # before the session, which would create a missing workspace
        with self.session():
            yield listing.require_service(self.workspace, service)

    def write(self, change: Change, title: str) -> None:
        """Apply a change whole or not at all; on a dry run, find out whether it could be applied.

        Raises:
            NatsgenError: it could not be done; the workspace is as before.
        """
        transaction.check(self.workspace, change)
        if not self.dry_run and (change.before or change.after):
            transaction.apply(self.workspace, change, title)
