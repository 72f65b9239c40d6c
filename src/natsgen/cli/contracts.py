"""`natsgen map` and `natsgen asyncapi`: describe what the services send each other."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from natsgen.cli import options, output
from natsgen.cli.options import switch, value
from natsgen.cli.update import wanted_services
from natsgen.errors import InputError, ServiceError
from natsgen.messages import counted, invalid_choice

if TYPE_CHECKING:
    from natsgen.contracts.changes import Change
    from natsgen.contracts.reading import Surface

FORMATS = ("text", "mermaid", "json", "html")
NO_SERVER = "nats://localhost:4222"  # nothing connects to it


def map_services(
    how: options.Reading,
    form: str = value("|".join(FORMATS), "Format of the map.", "--format", default=FORMATS[0]),
    external: list[str] | None = value("SUBJECT", "Subject that other systems send or receive (repeatable)."),
    check: bool = switch("--check", "Exit with 1 if there are findings, for use in CI."),
) -> None:
    """Show which service sends what to which, and what does not fit together.

    natsgen reads the source of all services; it does not import or run anything. Findings are subjects that nobody
    consumes, consumers that no service sends to, models that do not fit together, cycles, and invalid subjects.

    \b
    Examples:
      natsgen map
      natsgen map --format html > map.html
      natsgen map --check --external 'payments.>'
    """
    from natsgen.contracts import drawing, topology
    from natsgen.services import listing

    if form not in FORMATS:
        raise InputError(f"--format: {invalid_choice(form, FORMATS)}")
    place = how.place
    names = listing.names(place)
    found = topology.join(_read(place.root, names, static=True), external or ())
    document = {"workspace": place.root, **drawing.as_data(found)}
    lines = {
        "text": lambda: drawing.as_text(found).splitlines(),
        "mermaid": lambda: [drawing.as_mermaid(found)],
        "json": lambda: [json.dumps(document, indent=2, default=str)],
        "html": lambda: [drawing.as_html(found, place.root.name)],
    }[form]()
    how.end(document, lines, "" if names else output.no_services(place.root), failed=check and bool(found.findings))


def asyncapi(
    how: options.Reading,
    service: options.Services = None,
    all_services: options.All = False,
    static: bool = switch("--static", "Read only the source; do not import the services' code."),
    check: bool = switch("--check", "Write nothing; exit with 1 if the services do not fit together, or FILE differs."),
    diff: str | None = value("FILE|REVISION", "Compare with a document, or with the services at a git revision."),
    to: Path | None = value("FILE", "File to write [default: standard output]", "--output", "-o"),
) -> None:
    """Describe services in an AsyncAPI document.

    The schemas come from the services' own code, which natsgen imports in the services' environments. With --static,
    natsgen reads only the source, and reports what it could not read. --diff lists what changes for senders and
    receivers; the exit code is 1 if a change is breaking.

    \b
    Examples:
      natsgen asyncapi billing
      natsgen asyncapi --all --static --output asyncapi.json
      natsgen asyncapi --all --check --output asyncapi.json
      natsgen asyncapi --all --diff origin/main
    """
    from natsgen.contracts import asyncapi as documents
    from natsgen.contracts import changes, topology
    from natsgen.files.workspace import SERVICES, Workspace
    from natsgen.services import listing

    if diff is not None and (check or to is not None):
        raise InputError("use --diff without --check and --output")
    place = how.place
    names = wanted_services(place, service or [], all_services=all_services)
    alone = len(names) == 1 and not all_services
    title = names[0] if alone else place.root.name

    def described(root: Path, surfaces: Sequence[Surface]) -> dict[str, Any]:
        about = documents.about(root / SERVICES / title) if alone else documents.NO_VERSION
        return documents.document(title, about, surfaces)

    surfaces = _read(place.root, names, static=static)
    for text in (text for surface in surfaces for text in surface.unknown):
        output.note(f"not read: {output.printable(text)}")
    made = described(place.root, surfaces)
    if diff is not None:
        if Path(diff).is_file():
            old = changes.load(Path(diff))
        else:
            with changes.checked_out(place.root, diff) as root:
                there = listing.names(Workspace(root))
                wanted = [name for name in there if all_services or name in names]
                old = described(root, _read(root, wanted, static=static))
        _end_diff(how, changes.between(old, made))
    elif check:
        kinds = ("mismatch", "subject")
        problems = [f"{one.kind}: {one.text}" for one in topology.join(surfaces).findings if one.kind in kinds]
        if to is not None and changes.load(to) != made:
            problems.append(f"{to} differs from the services; run this without --check")
        note = "" if problems else f"{counted(len(names), 'service')} fit together"
        how.end({"services": names, "problems": problems}, map(output.printable, problems), note, failed=bool(problems))
    elif to is not None:
        to.write_text(json.dumps(made, indent=2) + "\n", encoding="utf-8")
        how.end({"services": names, "file": to}, note=f"{to} describes {counted(len(names), 'service')}")
    else:
        output.document(made)


def _read(root: Path, names: Sequence[str], *, static: bool) -> list[Surface]:
    """Return what services send and receive.

    Args:
        root: the folder of the workspace.
        names: the services.
        static: whether only the source is read; otherwise their code is imported, in their environments.

    Raises:
        ServiceError: a service's environment cannot be created, or its code cannot be imported.
    """
    from natsgen.contracts import reading
    from natsgen.files.workspace import SERVICES

    folders = [root / SERVICES / name for name in names]
    if static:
        return [reading.read(folder) for folder in folders]
    from natsgen.dev.catalog import Source

    try:
        return [Source.of(folder, NO_SERVER).surface() for folder in folders]
    except ServiceError as error:
        raise ServiceError(f"{error}; use --static to read only the source") from error


def _end_diff(how: options.Reading, found: Sequence[Change]) -> None:
    rows = [("breaking" if one.is_breaking else "compatible", one.subject, one.text) for one in found]
    how.end(
        {"changes": [vars(one) for one in found]},
        output.columns(rows) if rows else (),
        "" if found else "nothing changes for others",
        failed=any(one.is_breaking for one in found),
    )
