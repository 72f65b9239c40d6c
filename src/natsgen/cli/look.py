"""`natsgen list` and `natsgen show`: describe the services of a workspace."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import TYPE_CHECKING

from natsgen.cli import documents, options, output, templates

if TYPE_CHECKING:
    from natsgen.parts.kind import FoundPart
    from natsgen.services.describe import ServiceReport
    from natsgen.services.listing import Service


def list_services(how: options.Reading, service: options.OneOfAll = None) -> None:
    """List the services and their parts.

    Parts are handlers, actions, routes, tasks, publishers and subscribers. natsgen reads them from source; it does not
    import or run anything.

    \b
    Examples:
      natsgen list
      natsgen list billing --json
    """
    from natsgen.services import listing

    place = how.place
    if service is not None:
        listing.require_service(place, service)
    names = listing.names(place) if service is None else (service,)
    services = [listing.service(place, name) for name in names]
    document = {"workspace": place.root, "services": map(documents.of_service, services)}
    lines = (line for one in services for line in _service_lines(one))
    how.end(document, lines, "" if services else output.no_services(place.root))


def show(service: options.Service, how: options.Reading) -> None:
    """Show one service in full.

    This shows its parts, answers, settings and published subjects, and the files that differ from its own version of
    the template.

    \b
    Examples:
      natsgen show billing
      natsgen show billing --json
    """
    from natsgen.answers import questions
    from natsgen.services import describe

    place = how.place
    with templates.of_service(place, service) as (template, newest):
        found = describe.describe_service(place, template, questions.read(template.folder), service, newest)
    how.end({"workspace": place.root, **documents.of_report(found, newest)}, _report_lines(found, newest))


def _service_lines(service: Service) -> Iterator[str]:
    because = f"  ({output.printable(service.error)})" if service.error else ""
    yield f"{service.name}  {service.kind}  {service.version or 'version unknown'}{because}"
    rows = [_row(service.name, part) for file in service.files for part in file.parts]
    yield from (f"  {line}" for line in output.columns(rows))
    failed = [output.printable(f"{file.path}: {file.error}") for file in service.files if file.error]
    yield from (f"  {line}" for line in failed)


def _row(service: str, part: FoundPart) -> tuple[str, str, str]:
    about = part.about(service)
    return part.name, about.shown if about else "(no subject)", part.remark(service)


def _readable(default: str) -> str:
    """Return a default value in readable form instead of as a Python expression."""
    if not default:
        return ""
    match ast.parse(default, mode="eval").body:
        case ast.Constant(value=value) | ast.Call(args=[ast.Constant(value=value)]):
            return "" if value is None else str(value)
        case ast.Subscript(slice=ast.Constant(value=str(key))):
            return f"{key} in pyproject.toml"
    return default


def _report_lines(found: ServiceReport, offered: str) -> Iterator[str]:
    yield from _service_lines(found.service)
    if found.is_outdated:
        yield f"  newer template version available: {offered}"
    answers = [(key, _plain(value)) for key, value in found.answers.items()]
    yield from output.section("Answers:", [*output.columns(answers)])
    yield from output.section("Publishes:", found.published)
    settings = [(one.name, _readable(one.default), one.meaning) for one in found.settings]
    yield from output.section("Settings:", [*output.columns(settings)])
    if found.settings_error:
        yield f"  {output.printable(found.settings_error)}"
    changed = [(one.how, str(one.path), "yours to change" if one.is_own else "") for one in found.changed]
    title = f"Files that differ from the template ({found.service.version or 'no version'}):"
    yield from output.section(title, [*output.columns(changed)], "none")


def _plain(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key}: {_inner(entry)}" if entry else str(key) for key, entry in value.items())
    return str(value)


def _inner(value: object) -> str:
    return f"{{{_plain(value)}}}" if isinstance(value, dict) else str(value)
