"""`natsgen add-action` and `natsgen remove-action`: one file and its test come or go."""

from __future__ import annotations

from typing import Annotated

import typer

from natsgen.cli import completion, growing, options, output


def add_action(
    service: options.Service,
    action: Annotated[
        str,
        typer.Argument(
            metavar="ACTION", help="Name of the action: lower-case letters, digits, underscores.", show_default=False
        ),
    ],
    version: Annotated[
        str | None,
        typer.Option(metavar="N", help="Its version, in its subject [default: 1]"),
    ] = None,
    concurrency: Annotated[
        str | None,
        typer.Option(metavar="N", help="How many requests it answers at once [default: 100]"),
    ] = None,
    timeout: Annotated[
        str | None,
        typer.Option(metavar="SECONDS", help="How long a request may take [default: 5]"),
    ] = None,
    no_queue: Annotated[
        bool, typer.Option("--no-queue", help="Every instance of the service answers each request, not one of them.")
    ] = False,
    workspace: options.Workspace = None,
    no_input: options.NoInput = False,
    dry_run: options.DryRun = False,
    as_json: options.AsJson = False,
) -> None:
    """Add an action and its test to a service.

    Two files come and nothing else changes, so that two branches that each add an action merge without a conflict.
    The service answers on vVERSION.SERVICE.ACTION when it starts. Another version of an action that is there is a file
    of its own, and both are answered.

    \b
    Examples:
      natsgen add-action greeter farewell
      natsgen add-action greeter greet --version 2
      natsgen add-action greeter report --concurrency 4 --timeout 30
    """
    from natsgen import messages, naming
    from natsgen.parts import action_naming
    from natsgen.parts.actions import Action
    from natsgen.parts.kinds import ACTIONS
    from natsgen.services import action_growth

    name = messages.located("ACTION", action_naming.action, action)
    wanted = Action(
        name=name,
        action=name,
        version=1 if version is None else messages.located("--version", action_naming.version_in, version),
        queue=not no_queue,
        concurrency=None
        if concurrency is None
        else messages.located("--concurrency", naming.concurrency_in, concurrency),
        timeout=None if timeout is None else messages.located("--timeout", action_naming.timeout_in, timeout),
    )
    with growing.site(service, workspace, dry_run=dry_run) as site:
        added = action_growth.add_action(site, wanted)
        subject = wanted.subject_in(service)
        facts = {"subject": subject, "version": wanted.version}
        done = growing.Done(site, ACTIONS, added.part.name, added.change, added.notes, facts, as_json)
        done.tell_added(f"it answers requests on {subject}")


def remove_action(
    service: options.Service,
    action: Annotated[
        str,
        typer.Argument(
            metavar="ACTION",
            help="Name of the action, or of its file.",
            show_default=False,
            autocompletion=completion.actions,
        ),
    ],
    force: options.Force = False,
    workspace: options.Workspace = None,
    no_input: options.NoInput = False,
    dry_run: options.DryRun = False,
    as_json: options.AsJson = False,
) -> None:
    """Remove an action and its test from a service.

    What somebody edited is not removed without --force. Whoever calls it gets no answer any more when no instance with
    it runs: "no responders".

    \b
    Examples:
      natsgen remove-action greeter farewell
      natsgen remove-action greeter greet_v2 --dry-run
    """
    from natsgen.parts.kinds import ACTIONS
    from natsgen.services import action_growth

    with growing.site(service, workspace, dry_run=dry_run) as site:
        removed = action_growth.remove_action(site, action, force=force)
        subjects = [found.subject_in(service).text for found in removed.file.actions]
        facts = {"subjects": subjects}
        done = growing.Done(site, ACTIONS, removed.file.name, removed.change, removed.notes, facts, as_json)
        done.tell_removed([output.printable(f"{service} will not answer {subject} any more.") for subject in subjects])
