"""`natsgen lock`: pins the dependencies of a service."""

from __future__ import annotations

from natsgen.cli import options


def lock(service: options.Service, how: options.Writing) -> None:
    """Pin the dependencies of a service.

    Run this after you edit pyproject.toml. It writes requirements.txt and requirements-dev.txt with hashes, for all
    platforms and all Python versions that the service supports. Pins that are still valid do not change. It needs uv
    (pip install uv) and a package index. `make lock` in the service's folder does the same.

    \b
    Examples:
      natsgen lock billing
      natsgen lock billing --dry-run
    """
    from natsgen.services import pinning

    locked = pinning.lock(how.writer, service)
    change = locked.change
    story = [f"Pinned the dependencies of {service}", *(f"  {pin}" for pin in locked.pins)]
    if not (change.before or change.after):
        story = [f"The pins of {service} are up to date"]
    document = {"service": service, "pins": locked.pins, "changed": [*change.added, *change.replaced]}
    how.report(change, document, story)
