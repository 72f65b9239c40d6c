"""`natsgen accept`: records intentional changes to the template's files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from natsgen.cli import options, output
from natsgen.errors import InputError

Paths = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[PATH]...", help="Files, relative to the current folder, the service or the root.", show_default=False
    ),
]
AllFiles = Annotated[bool, typer.Option("--all", help="Accept every file that differs.")]


def accept(
    service: options.Service,
    how: options.Writing,
    path: Paths = None,
    all_files: AllFiles = False,
) -> None:
    """Accept your changes to files that the template owns.

    natsgen check then lists these files but does not fail, until you change one again. Updates that change other
    lines of a file keep it accepted. The record is .natsgen-accepted in the service's folder; commit it.

    \b
    Examples:
      natsgen accept billing Dockerfile
      natsgen accept billing --all
    """
    from natsgen.update import accepting

    if bool(path) == all_files:
        raise InputError("specify files or --all, not both")
    found = accepting.accept(how.writer, service, path or [], Path.cwd())
    story = [f"Accepted in {service}", *(f"  {output.printable(str(one))}" for one in found.paths)]
    if not found.paths:
        story = [f"No file of {service} differs from its template"]
    document = {"service": service, "accepted": [str(one) for one in found.paths]}
    how.report(found.change, document, story)
