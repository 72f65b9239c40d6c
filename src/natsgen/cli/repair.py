"""`natsgen repair`: the packages of a service are mended after a merge of branches."""

from __future__ import annotations

from natsgen.cli import options


def repair(service: options.Service, how: options.Writing) -> None:
    """Repair the packages of a service after a git merge.

    One branch may remove the last action with its package while another adds an action; or one may update the service
    while another adds a package of the older version. This command adds missing packages and updates outdated package
    files that nobody edited. It changes nothing else.

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
