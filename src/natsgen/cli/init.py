"""`natsgen init`: creates natsgen.toml and completes .gitignore."""

from __future__ import annotations

from natsgen.cli import options
from natsgen.cli.options import value


def init(
    how: options.Writing,
    ci: str | None = value("github|gitlab", "Also write workflows that test changed services and open updates."),
) -> None:
    """Write natsgen.toml and complete .gitignore.

    natsgen.toml contains your organization's defaults for new services, and explains each key. An existing natsgen.toml
    is not changed, and nothing is removed from .gitignore. You can run this command again with --ci later.

    \b
    Examples:
      natsgen init
      natsgen init --dry-run
      natsgen init --ci github
    """
    from natsgen.answers import questions
    from natsgen.rendering import template_source
    from natsgen.services import ci_workflows, init_workspace

    questionnaire = questions.read(template_source.bundled().folder)
    extra = ci_workflows.workflow(ci, "--ci") if ci is not None else None
    change = init_workspace.init_workspace(how.writer, questionnaire, extra)
    story = [f"Prepared the workspace {how.place.root}"]
    story += [f"  {path}" for path in change.added]
    story += [f"  {path} (extended)" for path in change.replaced]
    if init_workspace.SETTINGS in change.after:
        story += ["", "Next: review the defaults in natsgen.toml, then create a service:"]
        story += ["  natsgen new worker billing --subject orders.order.created"]
    how.report(change, {"created": change.added, "changed": change.replaced}, story)
