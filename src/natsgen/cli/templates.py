"""Finds the template that a command works with; natsgen's own of this version needs no git."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from natsgen.cli import consent, output
from natsgen.files.workspace import MARKER
from natsgen.rendering import template_source

if TYPE_CHECKING:
    from natsgen.cli.options import Writing
    from natsgen.files.workspace import Workspace
    from natsgen.rendering.template_source import TemplateSource
    from natsgen.services.edit import ServiceTarget


@contextmanager
def for_new(given: str | None, workspace: Workspace) -> Iterator[TemplateSource]:
    """Provide the template for a new service.

    Args:
        given: the value of `--template`; None for the template in the workspace's natsgen.toml, or natsgen's own.
        workspace: the workspace of the service.

    Raises:
        UntrustedTemplateError: natsgen.toml names a template that the user has not accepted.
        NatsgenError: the template cannot be read, or is invalid.
    """
    from natsgen.answers import workspace_defaults

    of_all = workspace_defaults.template(workspace.root)
    if given is not None:
        wanted, here, where = given, Path.cwd(), "--template"
    elif of_all is not None:
        wanted, here, where = of_all, workspace.root, f"{MARKER}: {workspace_defaults.TEMPLATE}"
    else:
        yield template_source.bundled()
        return
    from natsgen.rendering import addresses, trust
    from natsgen.update import sources

    if given is None:
        trust.need(addresses.read(wanted, here, here).url, here, str(here / MARKER))
    with sources.named(wanted, here, workspace.root, where) as template:
        if given is not None:  # naming a template on the command line accepts it
            consent.remember(template.url, workspace.root)
        yield template
        if addresses.is_of_this_machine(template.url):
            output.note(f"{template.url} is a local path; other machines cannot update services created from it")


@contextmanager
def target(how: Writing, service: str) -> Iterator[ServiceTarget]:
    """Provide a service to change, with the template of its own version."""
    from natsgen.answers import questions
    from natsgen.services.edit import ServiceTarget

    with of_service(how.place, service) as (template, _):
        asked = questions.read(template.folder)
        yield ServiceTarget(how.place, how.dry_run, output.note, template, asked, service)


@contextmanager
def of_service(workspace: Workspace, service: str) -> Iterator[tuple[TemplateSource, str]]:
    """Provide the template of a service's version, and the newest version.

    If the service or its answers cannot be read, this provides natsgen's own template; the caller reports the error.

    Raises:
        NatsgenError: that version does not exist, or cannot be read.
    """
    from natsgen.answers import answers_file
    from natsgen.errors import InputError, ServiceError
    from natsgen.services import listing

    own = template_source.bundled()
    try:
        memory = answers_file.read(listing.require_service(workspace, service))
    except (InputError, ServiceError):
        memory = None
    if memory is None or not memory.source or (memory.source, memory.commit) == (own.url, own.commit):
        yield own, own.commit
        return
    from natsgen.update.sources import Sources

    with Sources(workspace) as sources:
        known = sources.of(memory)
        template = known.template(memory.commit)
        yield template, known.newest if known.versions else template.commit
