"""`natsgen dlq list` and `natsgen dlq show`: what dead letters there are, and each in full."""

from __future__ import annotations

from typing import Annotated

import typer

from natsgen.cli import commands, dlq_changes, dlq_files, dlq_options, options, output
from natsgen.cli.progress import Progress
from natsgen.errors import InputError

LIST_LIMIT = 100  # letters that `list --ids` shows unless told otherwise

app = typer.Typer()


@app.callback(invoke_without_command=True)
def dlq(context: typer.Context) -> None:
    """Read, replay, purge and move dead letters."""
    if context.invoked_subcommand is None:
        commands.show_help(context)


@app.command("list")
def list_letters(
    service: dlq_options.Service = None,
    handler: dlq_options.Handler = None,
    reason: dlq_options.Reason = None,
    correlation: dlq_options.Correlation = None,
    since: dlq_options.Since = None,
    until: dlq_options.Until = None,
    ids: Annotated[bool, typer.Option("--ids", help="List single letters, the newest last.")] = False,
    limit: Annotated[int, typer.Option(metavar="N", min=1, help="How many of the newest --ids lists.")] = LIST_LIMIT,
    server: dlq_options.Server = None,
    workspace: options.Workspace = None,
    no_input: options.NoInput = False,
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
    from natsgen.dlq import choosing, session

    selection = dlq_options.Filters(service, handler, reason, correlation, since, until).selection()
    with Progress("reading") as bar:
        chosen = session.run(
            dlq_options.settings(server, workspace, service),
            lambda connection, _: choosing.choose(connection, selection, [], bar.show),
        )
    if as_json:
        output.document(dlq_story.list_document(chosen, ids=ids, limit=limit))
    elif chosen.letters:
        output.result("\n".join(dlq_story.list_lines(chosen, ids=ids, limit=limit)))
    else:
        output.note(dlq_story.nothing(chosen))


@app.command()
def show(
    number: Annotated[int, typer.Argument(metavar="ID", min=1, help="ID of the letter.", show_default=False)],
    raw: Annotated[bool, typer.Option("--raw", help="Write the payload alone, byte for byte.")] = False,
    service: dlq_options.Service = None,
    server: dlq_options.Server = None,
    workspace: options.Workspace = None,
    no_input: options.NoInput = False,
    as_json: options.AsJson = False,
) -> None:
    """Show one dead letter in full.

    \b
    Examples:
      natsgen dlq show 17
      natsgen dlq show 17 --raw > payload
    """
    from natsgen.cli import dlq_letter
    from natsgen.dlq import exhibit, session
    from natsgen.dlq.payload import is_text
    from natsgen.errors import LetterError

    if raw and as_json:
        raise InputError("--raw and --json exclude each other: the JSON document has the payload in base64")
    found = session.run(
        dlq_options.settings(server, workspace, service), lambda connection, _: exhibit.of(connection, number)
    )
    if as_json:
        output.document(dlq_letter.letter_document(found))
    elif not raw:
        output.result("\n".join(dlq_letter.letter_lines(found)))
    elif found.payload is None:
        raise LetterError(found.problem)
    elif output.is_shown() and not is_text(found.payload.decode(errors="replace")):
        raise InputError("--raw: this payload is no text that a terminal can show; write it to a file, with > FILE")
    else:
        output.result_bytes(found.payload)


app.command("replay")(dlq_changes.replay)
app.command("purge")(dlq_changes.purge)
app.command("export")(dlq_files.export)
app.command("import")(dlq_files.import_)
