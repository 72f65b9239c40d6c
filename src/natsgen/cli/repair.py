"""`natsgen repair`: the packages of a service are mended after a merge of branches."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from natsgen.cli import options, output

if TYPE_CHECKING:
    from natsgen.update.repairing import Repaired


def repair(
    service: options.Service,
    workspace: options.Workspace = None,
    no_input: options.NoInput = False,
    dry_run: options.DryRun = False,
    as_json: options.AsJson = False,
) -> None:
    """Mend the packages of a service after a merge of branches.

    One branch may have removed the last action with its package while another added an action; or one may have updated
    the service while another added a package of the older version. Packages that are missing come, and their files of
    an older version become those of the service's version, unless somebody edited them. Nothing else changes.

    \b
    Examples:
      natsgen repair billing
      natsgen repair billing --dry-run
    """
    from natsgen import workspace as workspaces
    from natsgen.update import repairing

    place = workspaces.find(workspace, Path.cwd())
    repaired = repairing.repair(place, service, dry_run=dry_run, notify=output.note)
    change = repaired.change
    if as_json:
        document = {
            "service": service,
            "workspace": str(place.root),
            "dry_run": dry_run,
            "added": repaired.added,
            "updated": repaired.updated,
            "created": [str(path) for path in change.added],
            "changed": [str(path) for path in change.replaced],
            "removed": [str(path) for path in change.removed],
            "notes": repaired.notes,
        }
        output.document({**document, "diff": change.diff()} if dry_run else document)
        return
    if dry_run:
        output.dry_run(change.diff(), len({*change.before, *change.after}), "changed", place.root)
    else:
        output.result("\n".join(_story(service, repaired)))
    for note in repaired.notes:
        output.note(f"note: {output.printable(note)}")


def _story(service: str, repaired: Repaired) -> list[str]:
    change = repaired.change
    lines = [f"Added the package {name} to {service}" for name in repaired.added]
    lines += [f"Updated the package {name} of {service}" for name in repaired.updated]
    lines += [f"  {path}" for path in sorted({*change.before, *change.after})]
    return lines or [f"The packages of {service} need no repair"]
