"""`natsgen dlq list` and `natsgen dlq show`: show dead letters."""

from __future__ import annotations

from natsgen.cli import commands, dlq_changes, dlq_files, dlq_options, output
from natsgen.cli.options import argument, switch, value
from natsgen.errors import InputError

LIST_LIMIT = 100  # default number of dead letters that `list --ids` shows


def list_letters(
    *,
    filters: dlq_options.Filters,
    ids: bool = switch("--ids", "List each dead letter, the newest last."),
    limit: int = value("N", "List at most this many with --ids, the newest.", default=LIST_LIMIT, min=1),
    how: dlq_options.Reaching,
) -> None:
    """Count dead letters by service, handler and reason, or list them.

    \b
    Examples:
      natsgen dlq list
      natsgen dlq list --service billing --since 2h
      natsgen dlq list --ids --correlation 018f2c6e
    """
    from natsgen.cli import dlq_story

    wanted = filters.selection()
    chosen = dlq_options.choose(how.settings(filters.service), wanted)
    how.end(
        dlq_story.list_document(chosen, ids=ids, limit=limit),
        dlq_story.list_lines(chosen, ids=ids, limit=limit) if chosen.letters else (),
        dlq_story.nothing(chosen),
    )


def show(
    *,
    number: int = argument("ID", "ID of the dead letter.", min=1),
    raw: bool = switch("--raw", "Write only the payload, byte for byte."),
    service: dlq_options.Connecting = None,
    how: dlq_options.Reaching,
) -> None:
    """Show one dead letter in full.

    \b
    Examples:
      natsgen dlq show 17
      natsgen dlq show 17 --raw > payload
    """
    from natsgen.cli import dlq_letter
    from natsgen.dlq import command, reading
    from natsgen.dlq.payload import is_text
    from natsgen.errors import LetterError

    if raw and how.as_json:
        raise InputError("specify --raw or --json, not both; the JSON document has the payload in base64")
    found = command.run(how.settings(service), lambda server, _: reading.letter_with_payload(server, number))
    if not raw:
        how.end(dlq_letter.letter_document(found), dlq_letter.letter_lines(found))
    elif found.payload is None:
        raise LetterError(found.problem)
    elif output.is_shown() and not is_text(found.payload.decode(errors="replace")):
        raise InputError("--raw: the payload is binary; write it to a file with > FILE")
    else:
        output.result_bytes(found.payload)


app = commands.group(
    "Read, replay, purge, export and import dead letters.",
    {
        "list": list_letters,
        "show": show,
        "replay": dlq_changes.replay,
        "purge": dlq_changes.purge,
        "export": dlq_files.export,
        "import": dlq_files.import_,
    },
)
