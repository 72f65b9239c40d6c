"""`natsgen repair`: repairs the packages of a service after a git merge."""

from __future__ import annotations

from natsgen.cli import options


def repair(service: options.Service, how: options.Writing) -> None:
    """Repair the packages of a service after a git merge.

    A merge can leave packages missing or outdated: for example, one branch removes the last action with its package
    while another adds an action. This command adds missing packages and updates unmodified files of outdated packages.
    It also updates deployment files after you edit a handler, and keeps your edits to these files. It changes
    nothing else.

    \b
    Examples:
      natsgen repair billing
      natsgen repair billing --dry-run
    """
    from natsgen.update import repairing

    repaired = repairing.repair(how.writer, service)
    change = repaired.change
    document = {
        "service": service,
        "added": repaired.added,
        "updated": repaired.updated,
        **options.paths(change),
        "notes": repaired.notes,
    }
    story = [f"Added the package {name} to {service}" for name in repaired.added]
    story += [f"Updated the package {name} of {service}" for name in repaired.updated]
    story += [f"  {path}" for path in sorted({*change.before, *change.after})]
    how.report(change, document, story or [f"The packages of {service} need no repair"], repaired.notes)
