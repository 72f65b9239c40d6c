"""`natsgen dlq export` and `natsgen dlq import`: write dead letters to a file, and read them back."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import BinaryIO

from natsgen.cli import dlq_options, output, progress
from natsgen.cli.options import argument, switch, value
from natsgen.errors import InputError

STANDARD = "-"  # instead of a file's name: standard input or output


def export(
    *,
    file: str = value("FILE", "File to write; - is standard output.", "--output", "-o", default=STANDARD),
    filters: dlq_options.Filters,
    how: dlq_options.Reaching,
) -> None:
    """Write dead letters to a file.

    Each line is a JSON object with headers and payload. The dead letters stay in the stream.

    \b
    Examples:
      natsgen dlq export --output letters.jsonl
      natsgen dlq export --service billing | jq .subject
    """
    from natsgen.cli import dlq_story
    from natsgen.dlq import archive, command
    from natsgen.dlq.bulk import Tally

    if how.as_json and file == STANDARD:
        raise InputError("--json needs --output FILE, because the dead letters go to standard output")
    wanted = filters.selection()
    settings = how.settings(filters.service)
    with nullcontext(output.result_bytes) if file == STANDARD else archive.whole_file(Path(file)) as write:
        chosen = dlq_options.choose(settings, wanted)
        tally = Tally(len(chosen.letters))
        with progress.bar("exporting") as show:
            command.run(settings, lambda server, _: archive.export(server, chosen.letters, tally, write, show))
    for line in dlq_story.failure_lines(tally, "exported without its payload: dead letter"):
        output.note(line)
    written = tally.done + len(tally.failed)
    to = "" if file == STANDARD else f" to {output.printable(file)}"
    failed = dlq_story.failure_documents(tally)
    how.end(
        {"server": chosen.server, "file": file, "exported": written, "without_payload": failed},
        note=dlq_story.nothing(chosen) or f"{dlq_story.counted(written)} exported{to}",
        failed=bool(failed),
    )


def import_(
    *,
    file: str = argument("FILE", "File from natsgen dlq export; - is standard input."),
    dry_run: bool = switch("--dry-run", "Check the file; publish nothing."),
    service: dlq_options.Connecting = None,
    how: dlq_options.Reaching,
) -> None:
    """Put exported dead letters back into the stream.

    natsgen checks the whole file before it publishes anything. Importing a file again does not create duplicates.

    \b
    Examples:
      natsgen dlq import letters.jsonl
      natsgen dlq export | natsgen dlq import - --server nats://other:4222
    """
    from natsgen.cli import dlq_story
    from natsgen.dlq import archive, command
    from natsgen.dlq.bulk import Tally

    settings = how.settings(service)
    with _reader(file) as (content, name), progress.bar("importing") as show:
        tally = Tally(sum(1 for _ in archive.records(content, name)))
        if not dry_run and tally.total:
            content.seek(0)
            command.run(
                settings,
                lambda server, stop: archive.import_(server, stop, archive.records(content, name), tally, show),
                progress_text=lambda: (
                    f"{tally.done + tally.gone:,} of {tally.total:,} dead letters are in the stream; run the command "
                    "again to import the others"
                ),
            )
    for line in dlq_story.failure_lines(tally, "not imported: line"):
        output.note(line)
    failed = dlq_story.failure_documents(tally, "line")
    counts = {"letters": tally.total, "imported": tally.done, "were_there": tally.gone, "failed": failed}
    document = {"file": file, "dry_run": dry_run, **counts}
    if dry_run:
        how.end(document, note=f"{dlq_story.counted(tally.total)} would be imported; nothing was changed")
    else:
        there = f"; {tally.gone:,} already existed" if tally.gone else ""
        how.end(document, [f"{dlq_story.counted(tally.done)} imported{there}"], failed=bool(failed))


@contextmanager
def _reader(file: str) -> Iterator[tuple[BinaryIO, str]]:
    """Provide the file, or a copy of standard input, because it is read twice."""
    if file != STANDARD:
        with Path(file).open("rb") as opened:
            yield opened, output.printable(file)
        return
    with tempfile.TemporaryFile() as spool:
        shutil.copyfileobj(sys.stdin.buffer, spool)
        spool.seek(0)
        yield spool, "standard input"
