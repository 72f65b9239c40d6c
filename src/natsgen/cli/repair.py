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
    dry_run: options.DryRun = False,
    as_json: options.AsJson = False,
) -> None:
    """Repair the packages of a service after a git merge.

    One branch may remove the last action with its package while another adds an action; or one may update the service
    while another adds a package of the older version. This command adds missing packages and updates outdated package
    files that nobody edited. It changes nothing else.

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
    document = {
        "service": service,
        "added": repaired.added,
        "updated": repaired.updated,
        "created": [str(path) for path in change.added],
        "changed": [str(path) for path in change.replaced],
        "removed": [str(path) for path in change.removed],
        "notes": repaired.notes,
    }
    story, notes = _story(service, repaired), repaired.notes
    output.report(place.root, change, document, story, is_dry_run=dry_run, as_json=as_json, notes=notes)


def _story(service: str, repaired: Repaired) -> list[str]:
    change = repaired.change
    lines = [f"Added the package {name} to {service}" for name in repaired.added]
    lines += [f"Updated the package {name} of {service}" for name in repaired.updated]
    lines += [f"  {path}" for path in sorted({*change.before, *change.after})]
    return lines or [f"The packages of {service} need no repair"]
