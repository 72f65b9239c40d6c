"""`natsgen accept`: the owner of a service changed files of the template on purpose."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from natsgen.cli import options, output
from natsgen.errors import InputError

Paths = Annotated[
    list[str] | None,
    typer.Argument(metavar="[PATH]...", help="Files, from here, the service or the root.", show_default=False),
]
AllFiles = Annotated[bool, typer.Option("--all", help="Accept every file that differs.")]


def accept(
    service: options.Service,
    path: Paths = None,
    all_files: AllFiles = False,
    workspace: options.Workspace = None,
    no_input: options.NoInput = False,
    dry_run: options.DryRun = False,
    as_json: options.AsJson = False,
) -> None:
    """Accept the changes that you made to files of the template.

    From then on, natsgen check lists the files and does not fail for them, until one is changed further. It stays
    accepted when an update merges what the template changed elsewhere in it. The record is .natsgen-accepted in the
    service's folder: commit it.

    \b
    Examples:
      natsgen accept billing Dockerfile
      natsgen accept billing --all
    """
    from natsgen import workspace as workspaces
    from natsgen.update import accepting

    if bool(path) == all_files:
        raise InputError("name files, or say --all, one of the two")
    place = workspaces.find(workspace, Path.cwd())
    found = accepting.accept(place, service, path or [], here=Path.cwd(), dry_run=dry_run, notify=output.note)
    if as_json:
        document = {
            "service": service,
            "workspace": str(place.root),
            "dry_run": dry_run,
            "accepted": [str(one) for one in found.paths],
        }
        output.document({**document, "diff": found.change.diff()} if dry_run else document)
    elif dry_run:
        output.dry_run(found.change.diff(), len({*found.change.before, *found.change.after}), "changed", place.root)
    elif found.paths:
        output.result(
            "\n".join([f"Accepted in {service}", *(f"  {output.printable(str(one))}" for one in found.paths)])
        )
    else:
        output.result(f"No file of {service} differs from what its template makes")
