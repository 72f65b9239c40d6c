"""`natsgen extras`, `add-extra` and `remove-extra`: list, add and remove optional packages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

from natsgen import messages
from natsgen.cli import completion, options, output, parts, templates
from natsgen.cli.options import argument

if TYPE_CHECKING:
    from natsgen.services.extras import Changed, Extra

NAMES = argument("NAME...", "Names of extras.", autocompletion=completion.extras)


def extras(
    how: options.Reading,
    service: Annotated[str | None, options.service_argument("Show which of them this service has.")] = None,
) -> None:
    """List the extras, and which of them a service has.

    An extra is a package of runtime code that no part needs, such as key-value buckets or object stores. A service
    gets its files when you add it.

    \b
    Examples:
      natsgen extras
      natsgen extras billing --json
    """
    from natsgen.services import extras as packages

    if service is None:
        known = packages.known()
        document: dict[str, object] = {"extras": [{"name": one.name, "summary": one.summary} for one in known]}
        how.end(document, output.columns([(one.name, one.summary) for one in known]))
        return
    found = packages.of(how.place, service)
    document = {"workspace": how.place.root, "service": service, "extras": map(vars, found)}
    how.end(document, output.columns([(one.name, _state(one), one.summary) for one in found]))


def add_extra(service: options.Service, how: options.Writing, name: list[str] = NAMES) -> None:
    """Add extras to a service.

    This adds their files and the packages that they need, and records them in the service's answers. It changes
    nothing else.

    \b
    Examples:
      natsgen add-extra billing kv
      natsgen add-extra billing kv objects --dry-run
    """
    from natsgen.services import extras as packages

    with templates.target(how, service) as site:
        changed = packages.add(site, _names(name))
    _tell(how, service, changed, "Added")


def remove_extra(
    service: options.Service, how: options.Writing, name: list[str] = NAMES, force: options.Force = False
) -> None:
    """Remove extras from a service.

    This removes their files and the packages that only they need. It keeps what a part needs or your own files import,
    and refuses to delete edited files unless --force is given.

    \b
    Examples:
      natsgen remove-extra billing kv
      natsgen remove-extra billing kv objects --dry-run
    """
    from natsgen.services import extras as packages

    with templates.target(how, service) as site:
        changed = packages.remove(site, _names(name), force=force)
    _tell(how, service, changed, "Removed")


def _names(given: Sequence[str]) -> list[str]:
    """Return the typed names, which spaces or commas separate."""
    from natsgen.answers import given_answers

    return list(given_answers.from_extras(given, "NAME").values["extras"])


def _tell(how: options.Writing, service: str, changed: Changed, verb: str) -> None:
    from natsgen.services.service_packages import listed

    change = changed.change
    files = change.added or change.removed
    document = {"service": service, "extras": changed.extras, **options.paths(change), "notes": changed.notes}
    story = f"Changed the answers of {service}: its extras are {', '.join(changed.extras) or 'none'}"
    if files:
        what = listed(parts.packages_of(service, files)) or "files"
        story = f"{verb} {what} ({messages.counted(len(files), 'file')}) in services/{service}"
    how.report(change, document, [story], changed.notes)


def _state(extra: Extra) -> str:
    if extra.is_there:
        return "yes" if extra.is_asked_for else "needed"
    return "missing" if extra.is_asked_for else "no"
