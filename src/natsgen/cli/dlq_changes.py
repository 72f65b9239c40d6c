"""`natsgen dlq replay` and `natsgen dlq purge`: replay or delete dead letters."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Any

import typer

from natsgen.cli import dlq_options, options, output
from natsgen.cli.progress import Progress
from natsgen.errors import FAILED, InputError

if TYPE_CHECKING:
    from natsgen.dlq.bulk import Tally, Target
    from natsgen.dlq.connection import Connection, Stop
    from natsgen.dlq.selection import Chosen


def replay(
    *,
    which: dlq_options.Which,
    to_subject: Annotated[
        str | None, options.option("SUBJECT", "Publish the originals to this subject, for all its subscribers.")
    ] = None,
    rate: Annotated[
        float | None, typer.Option(metavar="N", min=0.001, help="Maximum number of dead letters per second.")
    ] = None,
    how: dlq_options.Reaching,
) -> None:
    """Send dead letters again, each to the handler that failed.

    Each is removed once the stream confirms its replay. A message that fails again becomes a new dead letter. On a
    terminal, natsgen asks before it replays more than one.

    \b
    Examples:
      natsgen dlq replay 17 18
      natsgen dlq replay --service billing --reason exhausted --rate 50
      natsgen dlq replay --all --dry-run
      natsgen dlq replay 17 --to-subject orders.order.created
    """
    from natsgen import messages
    from natsgen.dlq import bulk, connection
    from natsgen.dlq.selection import plain_subject

    if rate is not None and not math.isfinite(rate):
        raise InputError("--rate must be a finite number of dead letters per second")
    wanted = which.need()
    subject = None if to_subject is None else messages.located("--to-subject", plain_subject, to_subject)
    settings = how.settings(which.service)
    chosen = dlq_options.choose(settings, wanted, which.ids or [])

    async def look(server: Connection, _: Stop) -> tuple[Target, list[str]]:
        target = await bulk.target_for(server, subject)
        return target, await bulk.subjects_without_consumer(server, chosen.letters, target)

    target, unattended = connection.run(settings, look)
    warnings = [
        f"no consumer for {one}: replays wait there until a worker with that handler runs" for one in unattended
    ]
    for warning in warnings:
        output.note(f"note: {output.printable(warning)}")
    tally = bulk.Tally(len(chosen.letters))
    if chosen.letters and not which.dry_run:
        if len(chosen.letters) > 1 and not which.yes and output.can_ask():
            _confirm(chosen, "Replay")
        with Progress("replaying") as bar:
            connection.run(
                settings,
                lambda server, stop: bulk.replay(server, stop, chosen.letters, target, tally, rate, bar.show),
                progress_text=lambda: _progress_text(
                    tally,
                    "replayed and removed",
                    "replay the others (the stream's duplicate window prevents double replays)",
                ),
                notify=output.note,
            )
    to = f"to {target.subject or 'the handlers that failed'}"
    _tell(which, how, chosen, tally, "replayed", to, warnings=warnings, to_subject=target.subject)


def purge(which: dlq_options.Which, how: dlq_options.Reaching) -> None:
    """Delete dead letters permanently.

    natsgen asks first, unless you pass --yes. To keep a copy, run natsgen dlq export first. Original messages stay in
    their streams.

    \b
    Examples:
      natsgen dlq purge 17 18
      natsgen dlq purge --service billing --reason invalid --until 30d --yes
      natsgen dlq purge --all --dry-run
    """
    from natsgen.dlq import bulk, connection

    wanted = which.need()
    if not (which.yes or which.dry_run or output.can_ask()):
        raise InputError("refusing to delete dead letters without confirmation; pass --yes")
    settings = how.settings(which.service)
    chosen = dlq_options.choose(settings, wanted, which.ids or [])
    tally = bulk.Tally(len(chosen.letters))
    if chosen.letters and not which.dry_run:
        if not which.yes:
            _confirm(chosen, "Delete")
        with Progress("deleting") as bar:
            connection.run(
                settings,
                lambda server, stop: bulk.purge(server, stop, chosen.letters, tally, bar.show),
                progress_text=lambda: _progress_text(tally, "deleted", "delete the others"),
                notify=output.note,
            )
    _tell(which, how, chosen, tally, "deleted")


def _confirm(chosen: Chosen, verb: str) -> None:
    from natsgen.cli import dlq_story

    letters = dlq_story.counted(len(chosen.letters))
    dlq_options.confirm(dlq_story.count_lines(chosen.letters), f"{verb} {letters} at {chosen.server}?")


def _progress_text(tally: Tally, done: str, rest: str) -> str:
    from natsgen.cli import dlq_story

    return f"{tally.done:,} of {dlq_story.counted(tally.total)} were {done}; run the command again to {rest}"


def _tell(
    which: dlq_options.Which,
    how: dlq_options.Reaching,
    chosen: Chosen,
    tally: Tally,
    done: str,
    to: str = "",
    **more: Any,
) -> None:
    """Report the outcome. Raises `typer.Exit` if some dead letters failed."""
    from natsgen.cli import dlq_story
    from natsgen.dlq.letters import STREAM

    document = {
        "server": chosen.server,
        "stream": STREAM,
        "dry_run": which.dry_run,
        "chosen": tally.total,
        done: tally.done,
        "gone": tally.gone,
        "failed": dlq_story.failure_documents(tally),
        "groups": dlq_story.group_documents(chosen.letters),
        **more,
    }
    what = f"{done} {to}".rstrip()
    for line in dlq_story.failure_lines(tally, "kept dead letter"):
        output.note(line)
    if how.as_json:
        output.document(document)
    elif not chosen.letters:
        output.note(dlq_story.nothing(chosen))
    elif which.dry_run:
        output.result("\n".join(dlq_story.count_lines(chosen.letters)))
        output.note(f"{dlq_story.counted(tally.total)} would be {what}; nothing was changed")
    else:
        gone = f"; {tally.gone:,} were already removed" if tally.gone else ""
        output.result(f"{dlq_story.counted(tally.done)} {what}{gone}")
    if tally.failed:
        raise typer.Exit(FAILED)
