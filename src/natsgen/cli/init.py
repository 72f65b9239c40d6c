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
        typer.Option(metavar="github|gitlab", help="Write a workflow as well, which tests the services that changed."),
    ] = None,
    no_input: options.NoInput = False,
    dry_run: options.DryRun = False,
    as_json: options.AsJson = False,
) -> None:
    """Write natsgen.toml and complete .gitignore.

    natsgen.toml explains every key it takes, and holds your organisation's defaults for services that are made from
    now on. One that is there is left alone; of .gitignore nothing is taken away. --ci may be given later as well.

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
    if as_json:
        output.document(_document(place, change, dry_run=dry_run))
    elif dry_run:
        output.dry_run(change.diff(), len(change.after), "written", place.root)
    else:
        output.result(_story(place, change))


def _story(workspace: Workspace, change: Change) -> str:
    from natsgen.services import init_workspace

    lines = [f"Prepared the workspace {workspace.root}"]
    lines += [f"  {path}" for path in change.added]
    lines += [f"  {path} (extended)" for path in change.replaced]
    if init_workspace.SETTINGS not in change.after:
        return "\n".join(lines)
    return "\n".join([*lines, "", "Next: see which defaults natsgen.toml takes, then make a service:", f"  {_EXAMPLE}"])


def _document(workspace: Workspace, change: Change, *, dry_run: bool) -> dict[str, object]:
    document: dict[str, object] = {
        "workspace": str(workspace.root),
        "dry_run": dry_run,
        "created": [str(path) for path in change.added],
        "changed": [str(path) for path in change.replaced],
    }
    return {**document, "diff": change.diff()} if dry_run else document


_EXAMPLE = "natsgen new worker billing --subject orders.order.created"
