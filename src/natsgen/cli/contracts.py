"""`natsgen map` and `natsgen asyncapi`: describe what the services send each other."""

from __future__ import annotations

from typing import Annotated

import typer

from natsgen.cli import options, output
from natsgen.errors import FAILED, InputError
from natsgen.messages import invalid_choice

FORMATS = ("text", "mermaid", "json", "html")


def map_services(
    how: options.Reading,
    form: Annotated[
        str, typer.Option("--format", metavar="|".join(FORMATS), help="Format of the map.", show_default=True)
    ] = FORMATS[0],
    external: Annotated[
        list[str] | None,
        options.option("SUBJECT", "Subject, perhaps with wildcards, that other systems send or receive (repeatable)."),
    ] = None,
    check: Annotated[bool, typer.Option("--check", help="Exit with 1 if there are findings, for use in CI.")] = False,
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
    from natsgen.contracts import drawing, reading, topology
    from natsgen.services import listing
    from natsgen.workspace import SERVICES

    if form not in FORMATS:
        raise InputError(f"--format: {invalid_choice(form, FORMATS)}")
    place = how.place
    names = listing.names(place)
    found = topology.join([reading.read(place.root / SERVICES / name) for name in names], external or ())
    if how.as_json or form == "json":
        output.document({"workspace": str(place.root), **drawing.as_data(found)})
    elif form == "html":
        output.result(drawing.as_html(found, place.root.name))
    elif form == "mermaid":
        output.result(drawing.as_mermaid(found))
    elif names:
        output.result(drawing.as_text(found))
    else:
        output.note(output.no_services(place.root))
    if check and found.findings:
        raise typer.Exit(FAILED)
