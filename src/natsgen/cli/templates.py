"""Which template a command works with; natsgen's own of this version is found without asking git."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from natsgen.cli import consent, output
from natsgen.rendering import template_source
from natsgen.workspace import MARKER

if TYPE_CHECKING:
    from natsgen.cli.options import Writing
    from natsgen.rendering.template_source import TemplateSource
    from natsgen.services.edit import ServiceTarget
    from natsgen.workspace import Workspace

OPTION = "--template"


@contextmanager
def for_new(given: str | None, workspace: Workspace) -> Iterator[TemplateSource]:
    """Provide the template that a new service is made from, as long as it is open.

    Args:
        given: what `--template` names; without it, it is the one of the workspace's natsgen.toml, or natsgen's own.
        workspace: where the service comes.

    Raises:
        UntrustedTemplateError: natsgen.toml names it, and nobody has accepted it.
        NatsgenError: it cannot be read, or no service can be made from it.
    """
    from natsgen.answers import workspace_defaults

    of_all = workspace_defaults.template(workspace.root)
    wanted = of_all if given is None else given
    if wanted is None:
        yield template_source.bundled()
        return
    from natsgen.rendering import addresses, trust
    from natsgen.update import sources

    if given is None:
        named = addresses.read(wanted, workspace.root, workspace.root)
        trust.need(named.url, workspace.root, str(workspace.root / MARKER))
    here, where = (
        (Path.cwd(), OPTION) if given is not None else (workspace.root, f"{MARKER}: {workspace_defaults.TEMPLATE}")
    )
    with sources.named(wanted, here, workspace.root, where) as template:
        if given is not None:  # who names it here accepts it for the services that are made of it
            consent.remember(template.url, workspace.root)
        yield template
        if addresses.is_of_this_machine(template.url):
            output.note(f"{template.url} is a local path; other machines cannot update services created from it")


@contextmanager
def target(how: Writing, service: str) -> Iterator[ServiceTarget]:
    """Provide a service to change, as long as its template is open: that of its own version."""
    from natsgen.answers import questions
    from natsgen.services.edit import ServiceTarget

    with of_service(how.place, service) as (template, _):
        asked = questions.read(template.folder)
        yield ServiceTarget(how.place, how.dry_run, output.note, template, asked, service)


@contextmanager
def of_service(workspace: Workspace, service: str) -> Iterator[tuple[TemplateSource, str]]:
    """Provide the template of a service's version, as long as it is open, and the newest version that there is.

    Where the service or its answers cannot be read, it is natsgen's own: whoever needs them says what is wrong.

    Raises:
        NatsgenError: that version cannot be read, or is not there.
    """
    from natsgen.answers import answers_file
    from natsgen.errors import InputError, ServiceError
    from natsgen.services import listing

    own = template_source.bundled()
    try:
        memory = answers_file.read(listing.require_service(workspace, service))
    except (InputError, ServiceError):
        yield own, own.commit
        return
    if not memory.source or (memory.source, memory.commit) == (own.url, own.commit):
        yield own, own.commit
        return
    from natsgen.update.sources import Sources

    with ExitStack() as stack:
        known = Sources(workspace, stack).of(memory)
        template = known.template(memory.commit)
        yield template, known.newest if known.versions else template.commit
