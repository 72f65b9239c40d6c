"""`natsgen lock`: the dependencies of a service are pinned again."""

from __future__ import annotations

from pathlib import Path

from natsgen.cli import options, output


def lock(
    service: options.Service,
    workspace: options.Workspace = None,
    no_input: options.NoInput = False,
    dry_run: options.DryRun = False,
    as_json: options.AsJson = False,
) -> None:
    """Pin the dependencies of a service after a change of pyproject.toml.

    Writes requirements.txt and requirements-dev.txt, with hashes, for all platforms and every Python that the service
    runs on. A pin that still fits stays as it is. It asks the package index, by uv, which must be installed: pip
    install uv. `make lock` in the service's folder does the same.

    \b
    Examples:
      natsgen lock billing
      natsgen lock billing --dry-run
    """
    from natsgen import workspace as workspaces
    from natsgen.services import pinning

    place = workspaces.find(workspace, Path.cwd())
    locked = pinning.lock(place, service, dry_run=dry_run, notify=output.note)
    change = locked.change
    if as_json:
        document = {
            "service": service,
            "workspace": str(place.root),
            "dry_run": dry_run,
            "pins": list(locked.pins),
            "changed": [str(path) for path in (*change.added, *change.replaced)],
        }
        output.document({**document, "diff": change.diff()} if dry_run else document)
    elif dry_run:
        output.dry_run(change.diff(), len({*change.before, *change.after}), "changed", place.root)
    elif change.before or change.after:
        output.result("\n".join([f"Pinned the dependencies of {service}", *(f"  {pin}" for pin in locked.pins)]))
    else:
        output.result(f"The pins of {service} fit its pyproject.toml")
