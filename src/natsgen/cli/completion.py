"""Shell completion of names that exist. It changes nothing, and prints no errors."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import typer

VARIABLE = "_NATSGEN_COMPLETE"


def is_wanted() -> bool:
    """Return whether a shell runs this process to complete a line."""
    return bool(os.environ.get(VARIABLE))


def services(context: typer.Context, incomplete: str) -> list[str]:
    """Return the services that match the typed prefix."""
    from natsgen.files import workspace as workspaces
    from natsgen.services import listing

    with suppress(Exception):
        place = workspaces.find(context.params.get("workspace"), Path.cwd())
        return [name for name in listing.names(place) if name.startswith(incomplete)]
    return []


def extras(incomplete: str) -> list[str]:
    """Return the extras that match the typed prefix."""
    from natsgen.parts import packages

    return [name for name in packages.EXTRA_NAMES if name.startswith(incomplete)]


def deploys(incomplete: str) -> list[str]:
    """Return the names of deployment files that match the typed prefix."""
    from natsgen.parts import packages

    return [name for name in packages.DEPLOY_NAMES if name.startswith(incomplete)]


def reasons(incomplete: str) -> list[str]:
    """Return the dead-letter reasons that match the typed prefix."""
    from natsgen.dlq.letters import REASONS

    return [reason for reason in REASONS if reason.startswith(incomplete)]


def parts_of(question: str) -> Callable[[typer.Context, str], list[str]]:
    """Return the function that completes names of parts, in the service on the command line."""

    def names(context: typer.Context, incomplete: str) -> list[str]:
        from natsgen.files import workspace as workspaces
        from natsgen.parts.kinds import KINDS
        from natsgen.services import listing

        with suppress(Exception):
            kind = KINDS[question]
            place = workspaces.find(context.params.get("workspace"), Path.cwd())
            folder = listing.require_service(place, str(context.params.get("service")))
            found = [path.name.removesuffix(kind.suffix) for path in kind.paths_in(folder)]
            return [name for name in found if name.startswith(incomplete.replace("-", "_"))]
        return []

    return names


handlers = parts_of("handlers")
actions = parts_of("actions")
