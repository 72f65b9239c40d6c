"""`natsgen dlq list` and `natsgen dlq show`: what dead letters there are, and each in full."""

from __future__ import annotations

from typing import Annotated

import typer

from natsgen.cli import commands, dlq_changes, dlq_files, dlq_options, options, output
from natsgen.errors import InputError

LIST_LIMIT = 100  # letters that `list --ids` shows unless told otherwise

app = typer.Typer(cls=commands.Group)


@app.callback(invoke_without_command=True)
def dlq(context: typer.Context) -> None:
    """Read, replay, purge, export and import dead letters."""
    if context.invoked_subcommand is None:
        commands.show_help(context)


@app.command("list", cls=commands.Command)
def list_letters(
    service: dlq_options.Service = None,
    handler: dlq_options.Handler = None,
    reason: dlq_options.Reason = None,
    correlation: dlq_options.Correlation = None,
    since: dlq_options.Since = None,
    until: dlq_options.Until = None,
    ids: Annotated[bool, typer.Option("--ids", help="List each dead letter, the newest last.")] = False,
    limit: Annotated[int, typer.Option(metavar="N", min=1, help="Number of the newest that --ids lists.")] = LIST_LIMIT,
    server: dlq_options.Server = None,
    workspace: options.Workspace = None,
    as_json: options.AsJson = False,
) -> None:
    """Count dead letters by service, handler and reason, or list them.

    \b
    Examples:
      natsgen dlq list
      natsgen dlq list --service billing --since 2h
      natsgen dlq list --ids --correlation 018f2c6e
    """
    from natsgen.cli import dlq_story

    wanted = dlq_options.Filters(service, handler, reason, correlation, since, until).selection()
    chosen = dlq_options.choose(dlq_options.settings(server, workspace, service), wanted, [])
    if as_json:
        output.document(dlq_story.list_document(chosen, ids=ids, limit=limit))
    elif chosen.letters:
        output.result("\n".join(dlq_story.list_lines(chosen, ids=ids, limit=limit)))
    else:
        output.note(dlq_story.nothing(chosen))


@app.command(cls=commands.Command)
def show(
    number: Annotated[int, typer.Argument(metavar="ID", min=1, help="ID of the dead letter.", show_default=False)],
    raw: Annotated[bool, typer.Option("--raw", help="Write only the payload, byte for byte.")] = False,
    service: dlq_options.Service = None,
    server: dlq_options.Server = None,
    workspace: options.Workspace = None,
    as_json: options.AsJson = False,
) -> None:
    """Show one dead letter in full.

    \b
    Examples:
      natsgen dlq show 17
      natsgen dlq show 17 --raw > payload
    """
    from natsgen.cli import dlq_letter
    from natsgen.dlq import connection, reading
    from natsgen.dlq.payload import is_text
    from natsgen.errors import LetterError

    if raw and as_json:
        raise InputError("specify --raw or --json, not both; the JSON document has the payload in base64")
    found = connection.run(
        dlq_options.settings(server, workspace, service), lambda server, _: reading.exhibit(server, number)
    )
    if as_json:
        output.document(dlq_letter.letter_document(found))
    elif not raw:
        output.result("\n".join(dlq_letter.letter_lines(found)))
    elif found.payload is None:
        raise LetterError(found.problem)
    elif output.is_shown() and not is_text(found.payload.decode(errors="replace")):
        raise InputError("--raw: the payload is binary; write it to a file with > FILE")
    else:
        output.result_bytes(found.payload)


app.command("replay", cls=commands.Command)(dlq_changes.replay)
app.command("purge", cls=commands.Command)(dlq_changes.purge)
app.command("export", cls=commands.Command)(dlq_files.export)
app.command("import", cls=commands.Command)(dlq_files.import_)
