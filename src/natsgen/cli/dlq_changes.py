"""`natsgen dlq replay` and `natsgen dlq purge`: replay or delete dead letters."""

from __future__ import annotations

import math
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, NamedTuple

from natsgen.cli import dlq_options, output, progress
from natsgen.cli.options import value
from natsgen.errors import InputError

if TYPE_CHECKING:
    from natsgen.dlq.bulk import Tally, Target
    from natsgen.dlq.command import Stop
    from natsgen.dlq.connection import Connection
    from natsgen.dlq.selection import Chosen
    from natsgen.dlq.settings import Settings


def replay(
    *,
    which: dlq_options.Which,
    to_subject: str | None = value("SUBJECT", "Publish the originals to this subject, for all its subscribers."),
    rate: float | None = value("N", "Maximum number of dead letters per second.", min=0.001),
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
    from natsgen.dlq import bulk, command
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

    target, unattended = command.run(settings, look)
    warnings = [
        f"no consumer for {one}: replays wait there until a worker with that handler runs" for one in unattended
    ]
    for warning in warnings:
        output.note(f"note: {output.printable(warning)}")
    _change(
        which,
        how,
        settings,
        chosen,
        _Deed("Replay", "replaying", "replayed", "replayed and removed", _REPLAY_REST),
        lambda server, stop, tally, show: bulk.replay(server, stop, chosen.letters, target, tally, rate, show),
        ask=len(chosen.letters) > 1 and output.can_ask(),
        to=f" to {target.subject or 'the handlers that failed'}",
        warnings=warnings,
        to_subject=target.subject,
    )


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
    from natsgen.dlq import bulk

    wanted = which.need()
    if not (which.yes or which.dry_run or output.can_ask()):
        raise InputError("refusing to delete dead letters without confirmation; pass --yes")
    settings = how.settings(which.service)
    chosen = dlq_options.choose(settings, wanted, which.ids or [])
    _change(
        which,
        how,
        settings,
        chosen,
        _Deed("Delete", "deleting", "deleted", "deleted", "delete the others"),
        lambda server, stop, tally, show: bulk.purge(server, stop, chosen.letters, tally, show),
    )


class _Deed(NamedTuple):
    """The words for a change: as a question and in progress, done to letters or a part of them, and left to do."""

    verb: str
    doing: str
    done: str
    done_in_part: str
    rest: str


_REPLAY_REST = "replay the others (the stream's duplicate window prevents double replays)"


def _change(
    which: dlq_options.Which,
    how: dlq_options.Reaching,
    settings: Settings,
    chosen: Chosen,
    deed: _Deed,
    work: Callable[[Connection, Stop, Tally, Callable[[int, int], None]], Coroutine[Any, Any, None]],
    *,
    ask: bool = True,
    to: str = "",
    **more: Any,
) -> None:
    """Change the chosen dead letters, after asking if necessary, and report the outcome.

    Raises:
        typer.Exit: with exit code 1, if some dead letters failed.
    """
    from natsgen.cli import dlq_story
    from natsgen.dlq import bulk, command
    from natsgen.dlq.letters import STREAM

    tally = bulk.Tally(len(chosen.letters))
    counts = dlq_story.count_lines(chosen.letters)
    all_letters = dlq_story.counted(tally.total)
    if chosen.letters and not which.dry_run:
        if ask and not which.yes:
            dlq_options.confirm(counts, f"{deed.verb} {all_letters} at {chosen.server}?")
        with progress.bar(deed.doing) as show:
            command.run(
                settings,
                lambda server, stop: work(server, stop, tally, show),
                progress_text=lambda: (
                    f"{tally.done:,} of {all_letters} were {deed.done_in_part}; run the command again to {deed.rest}"
                ),
            )
    for line in dlq_story.failure_lines(tally, "kept dead letter"):
        output.note(line)
    document = {
        "server": chosen.server,
        "stream": STREAM,
        "dry_run": which.dry_run,
        "chosen": tally.total,
        deed.done: tally.done,
        "gone": tally.gone,
        "failed": dlq_story.failure_documents(tally),
        "groups": dlq_story.group_documents(chosen.letters),
        **more,
    }
    if not chosen.letters:
        how.end(document, note=dlq_story.nothing(chosen))
    elif which.dry_run:
        how.end(document, counts, f"{all_letters} would be {deed.done}{to}; nothing was changed")
    else:
        gone = f"; {tally.gone:,} were already removed" if tally.gone else ""
        lines = [f"{dlq_story.counted(tally.done)} {deed.done}{to}{gone}"]
        how.end(document, lines, failed=bool(tally.failed))
