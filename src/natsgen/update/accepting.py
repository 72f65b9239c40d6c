"""Records intentional changes to the template's files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from natsgen import messages
from natsgen.errors import InputError
from natsgen.files import tree
from natsgen.files.workspace import SERVICES, Workspace
from natsgen.services.writer import Writer
from natsgen.transaction.change import Change, change_between
from natsgen.update import accepted_file, drift


def accept(writer: Writer, service: str, paths: Sequence[str], here: Path) -> tuple[tuple[PurePosixPath, ...], Change]:
    """Accept the changes of files, so that a check lists them but does not fail.

    Args:
        writer: changes the workspace.
        service: the service's name.
        paths: the files, relative to `here`, the service's folder or the workspace; all modified files if empty.
        here: the current folder.

    Returns:
        The accepted files, by their paths in the workspace, and the change of the record.

    Raises:
        InputError: the service does not exist, or a file is not modified.
        NatsgenError: the service cannot be compared with its template; the message says why.
    """
    workspace = writer.workspace
    with writer.session_of(service):
        with drift.compared(workspace, service) as found:
            differing = [file.path for file in found.files]
        wanted = tuple(dict.fromkeys(_path(workspace, service, text, here, differing) for text in paths))
        wanted = wanted or tuple(differing)
        there = tree.read_files(workspace, wanted)
        new = {path: frozenset({accepted_file.digest(found.made.get(path), there.get(path))}) for path in wanted}
        record = accepted_file.place(service)
        before = tree.read_files(workspace, [record])
        known = accepted_file.read(workspace, service)
        kept = {path: known[path] for path in differing if path in known}
        change = change_between(before, {record: accepted_file.write({**kept, **new})})
        writer.write(change, f"accept {service}")
    return wanted, change


def _path(
    workspace: Workspace, service: str, text: str, here: Path, differing: Sequence[PurePosixPath]
) -> PurePosixPath:
    """Return the modified file that a text refers to."""
    folder = workspace.root / SERVICES / service
    for start in (here, folder, workspace.root):
        try:
            path = PurePosixPath((start / text).absolute().relative_to(workspace.root))
        except ValueError:
            continue
        if path in differing:
            return path
    names = [str(path) for path in differing]
    raise InputError(
        f"{messages.quote(text)} is not a file of {service} that differs from its template"
        f"{messages.did_you_mean(text, names)} (differing: {', '.join(names) or 'none'})"
    )
