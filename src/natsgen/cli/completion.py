"""What the shell offers when a person presses Tab: names that are there. It writes nothing, and is silent on errors."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from natsgen.parts.kinds import PartKind

VARIABLE = "_NATSGEN_COMPLETE"


def is_wanted() -> bool:
    """Whether a shell runs this process to complete a line, and not a person to do something."""
    return bool(os.environ.get(VARIABLE))


def services(context: typer.Context, incomplete: str) -> list[str]:
    """The services that begin like what was typed."""
    from natsgen import workspace as workspaces
    from natsgen.services import listing

    with suppress(Exception):
        place = workspaces.find(context.params.get("workspace"), Path.cwd())
        return [name for name in listing.names(place) if name.startswith(incomplete)]
    return []


def handlers(context: typer.Context, incomplete: str) -> list[str]:
    """The handlers of the service on the line that begin like what was typed."""
    from natsgen.parts.kinds import HANDLERS

    return _parts(HANDLERS, context, incomplete)


def actions(context: typer.Context, incomplete: str) -> list[str]:
    """The actions of the service on the line that begin like what was typed."""
    from natsgen.parts.kinds import ACTIONS

    return _parts(ACTIONS, context, incomplete)


def routes(context: typer.Context, incomplete: str) -> list[str]:
    """The routes of the gateway on the line that begin like what was typed."""
    from natsgen.parts.kinds import ROUTES

    return _parts(ROUTES, context, incomplete)


def publishers(context: typer.Context, incomplete: str) -> list[str]:
    """The publishers of the service on the line that begin like what was typed."""
    from natsgen.parts.kinds import PUBLISHERS

    return _parts(PUBLISHERS, context, incomplete)


def subscribers(context: typer.Context, incomplete: str) -> list[str]:
    """The subscribers of the service on the line that begin like what was typed."""
    from natsgen.parts.kinds import SUBSCRIBERS

    return _parts(SUBSCRIBERS, context, incomplete)


def tasks(context: typer.Context, incomplete: str) -> list[str]:
    """The tasks of the service on the line that begin like what was typed."""
    from natsgen.parts.kinds import TASKS

    return _parts(TASKS, context, incomplete)


def extras(incomplete: str) -> list[str]:
    """The extras that begin like what was typed."""
    from natsgen.parts import packages

    return [name for name in packages.EXTRA_NAMES if name.startswith(incomplete)]


def reasons(incomplete: str) -> list[str]:
    """The reasons for a dead letter that begin like what was typed."""
    from natsgen.dlq.letters import REASONS

    return [reason for reason in REASONS if reason.startswith(incomplete)]


def _parts(kind: PartKind, context: typer.Context, incomplete: str) -> list[str]:
    from natsgen import workspace as workspaces
    from natsgen.parts import source
    from natsgen.services import listing

    with suppress(Exception):
        place = workspaces.find(context.params.get("workspace"), Path.cwd())
        folder = listing.require_service(place, str(context.params.get("service")))
        names = [path.name.removesuffix(kind.suffix) for path in source.paths(folder, kind)]
        return [name for name in names if name.startswith(incomplete.replace("-", "_"))]
    return []
