"""`natsgen extras`, `add-extra`, `remove-extra`, `add-deploy` and `remove-deploy`: packages that the user asks for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

from natsgen import messages
from natsgen.cli import completion, options, output, parts, templates
from natsgen.cli.options import argument

if TYPE_CHECKING:
    from natsgen.services.extras import Extra

NAMES = argument("NAME", "Names of one or more extras.", autocompletion=completion.extras)
DEPLOYS = argument("NAME", "One or more of catalog, kubernetes, monitoring.", autocompletion=completion.deploys)


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
    nothing else, except that an extra with dependencies, such as otel, also changes pyproject.toml, the pins and the
    compose file.

    \b
    Examples:
      natsgen add-extra billing kv
      natsgen add-extra billing kv objects --dry-run
    """
    _change("extras", service, name, how, "Added")


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
    _change("extras", service, name, how, "Removed", force=force)


def add_deploy(service: options.Service, how: options.Writing, name: list[str] = DEPLOYS) -> None:
    """Add deployment files to a service, in services/SERVICE/deploy/.

    The files follow the source of the service: add-handler, remove-handler and the like update them and keep your
    edits, natsgen update merges newer versions, and natsgen repair updates them after you edit a handler. Files in an
    overlay are yours. This also records the name in the service's answers, and changes nothing else.

    \b
    Examples:
      natsgen add-deploy billing kubernetes
      natsgen add-deploy billing kubernetes --dry-run
    """
    _change("deploy", service, name, how, "Added")


def remove_deploy(
    service: options.Service, how: options.Writing, name: list[str] = DEPLOYS, force: options.Force = False
) -> None:
    """Remove deployment files from a service.

    natsgen refuses to delete edited files unless --force is given.

    \b
    Examples:
      natsgen remove-deploy billing kubernetes
      natsgen remove-deploy billing kubernetes --dry-run
    """
    _change("deploy", service, name, how, "Removed", force=force)


def _change(
    question: str, service: str, typed: Sequence[str], how: options.Writing, verb: str, *, force: bool = False
) -> None:
    """Add or remove the typed names, which spaces or commas separate, and report it; `verb` is Added or Removed."""
    from natsgen.answers import given_answers
    from natsgen.parts.packages import NOUNS
    from natsgen.services import extras as packages
    from natsgen.services.service_packages import listed

    with templates.target(how, service) as site:
        names = given_answers.from_names(question, typed, "NAME").values[question]
        if verb == "Added":
            changed = packages.add(site, names, question)
        else:
            changed = packages.remove(site, names, question, force=force)
    change = changed.change
    files = change.added or change.removed
    document = {"service": service, question: changed.asked, **options.paths(change), "notes": changed.notes}
    did = "Changed the answers of" if change.after else "Changed nothing in"
    story = f"{did} {service}: its {NOUNS[question]}s are {', '.join(changed.asked) or 'none'}"
    if files:
        what = listed(parts.packages_of(service, files)) or "files"
        story = f"{verb} {what} ({messages.counted(len(files), 'file')}) in services/{service}"
    how.report(change, document, [story], changed.notes)


def _state(extra: Extra) -> str:
    if extra.is_there:
        return "yes" if extra.is_asked_for else "needed"
    return "missing" if extra.is_asked_for else "no"
