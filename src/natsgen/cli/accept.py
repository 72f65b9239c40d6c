"""`natsgen accept`: records intentional changes to the template's files."""

from __future__ import annotations

from pathlib import Path

from natsgen.cli import options, output
from natsgen.cli.options import argument, switch
from natsgen.errors import InputError


def accept(
    service: options.Service,
    how: options.Writing,
    path: list[str] | None = argument("PATH", "Files, relative to the current folder, the service or the root.", None),
    all_files: bool = switch("--all", "Accept every file that differs."),
) -> None:
    """Accept your changes to files that the template owns.

    natsgen check then lists these files but does not fail, until you change one again. Updates that change other
    lines of a file keep it accepted. The record is .natsgen-accepted in the service's folder; commit it.

    \b
    Examples:
      natsgen accept billing Dockerfile
      natsgen accept billing --all
    """
    from natsgen.update import accepting

    if bool(path) == all_files:
        raise InputError(f"specify files or --all{', not both' if path else ''}")
    accepted, change = accepting.accept(how.writer, service, path or [], Path.cwd())
    story = [f"Accepted in {service}", *(f"  {output.printable(str(one))}" for one in accepted)]
    if not accepted:
        story = [f"No file of {service} differs from its template"]
    how.report(change, {"service": service, "accepted": accepted}, story)
