"""`natsgen init`: the workspace's own settings, and what git shall ignore."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from natsgen.cli import options, output

if TYPE_CHECKING:
    from natsgen.transaction.change import Change
    from natsgen.workspace import Workspace


def init(
    workspace: options.Workspace = None,
    ci: Annotated[
        str | None,
        typer.Option(metavar="github|gitlab", help="Also write a workflow that tests the services that changed."),
    ] = None,
    dry_run: options.DryRun = False,
    as_json: options.AsJson = False,
) -> None:
    """Write natsgen.toml and complete .gitignore.

    natsgen.toml holds your organisation's defaults for new services, and explains each key. An existing natsgen.toml
    is not changed, and nothing is removed from .gitignore. You can run it again with --ci later.

    \b
    Examples:
      natsgen init
      natsgen init --dry-run
      natsgen init --ci github
    """
    from natsgen import workspace as workspaces
    from natsgen.answers import questions
    from natsgen.rendering import template_source
    from natsgen.services import ci_workflows, init_workspace

    questionnaire = questions.read(template_source.bundled().folder)
    place = workspaces.find(workspace, Path.cwd())
    extra = ci_workflows.workflow(ci, "--ci") if ci is not None else None
    change = init_workspace.init_workspace(place, questionnaire, extra=extra, dry_run=dry_run, notify=output.note)
    document = {
        "created": [str(path) for path in change.added],
        "changed": [str(path) for path in change.replaced],
    }
    output.report(place.root, change, document, _story(place, change), is_dry_run=dry_run, as_json=as_json)


def _story(workspace: Workspace, change: Change) -> list[str]:
    from natsgen.services import init_workspace

    lines = [f"Prepared the workspace {workspace.root}"]
    lines += [f"  {path}" for path in change.added]
    lines += [f"  {path} (extended)" for path in change.replaced]
    if init_workspace.SETTINGS not in change.after:
        return lines
    return [*lines, "", "Next: review the defaults in natsgen.toml, then create a service:", f"  {_EXAMPLE}"]


_EXAMPLE = "natsgen new worker billing --subject orders.order.created"
