"""`natsgen dlq replay` and `natsgen dlq purge`: letters leave the stream, sent again or for good."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Any

import typer

from natsgen.cli import dlq_options, options, output
from natsgen.cli.progress import Progress
from natsgen.errors import FAILED, InputError

if TYPE_CHECKING:
    from natsgen.dlq.choosing import Chosen
    from natsgen.dlq.connection import Connection
    from natsgen.dlq.pipeline import Tally
    from natsgen.dlq.replaying import Target
    from natsgen.dlq.session import Stop


def replay(
    ids: dlq_options.Ids = None,
    everything: dlq_options.Everything = False,
    service: dlq_options.Service = None,
    handler: dlq_options.Handler = None,
    reason: dlq_options.Reason = None,
    correlation: dlq_options.Correlation = None,
    since: dlq_options.Since = None,
    until: dlq_options.Until = None,
    to_subject: Annotated[
        str | None,
        typer.Option(metavar="SUBJECT", help="Publish the originals there, for everyone who listens to it."),
    ] = None,
    rate: Annotated[
        float | None, typer.Option(metavar="N", min=0.001, help="At most so many letters a second.")
    ] = None,
    yes: dlq_options.Yes = False,
    dry_run: dlq_options.DryRun = False,
    server: dlq_options.Server = None,
    workspace: options.Workspace = None,
    no_input: options.NoInput = False,
    as_json: options.AsJson = False,
) -> None:
    """Send dead letters again, each to the handler that failed.

    A letter is removed when the stream has confirmed its replay. What fails again becomes a new letter, which this
    command does not touch. It asks before it sends more than one, if there is a terminal.

    \b
    Examples:
      natsgen dlq replay 17 18
      natsgen dlq replay --service billing --reason exhausted --rate 50
      natsgen dlq replay --all --dry-run
      natsgen dlq replay 17 --to-subject orders.order.created
    """
    from natsgen import messages
    from natsgen.dlq import choosing, replaying, session
    from natsgen.dlq.pipeline import Tally
    from natsgen.dlq.selection import plain_subject

    if rate is not None and not math.isfinite(rate):
        raise InputError("--rate takes a number of letters a second")
    selection = dlq_options.Filters(service, handler, reason, correlation, since, until).need(ids, everything)
    subject = None if to_subject is None else messages.located("--to-subject", plain_subject, to_subject)
    settings = dlq_options.settings(server, workspace, service)

    async def look(connection: Connection, _: Stop) -> tuple[Chosen, Target, list[str]]:
        chosen = await choosing.choose(connection, selection, ids or [], bar.show)
        target = await replaying.target_for(connection, subject)
        return chosen, target, await replaying.unattended(connection, chosen.letters, target)

    with Progress("reading") as bar:
        chosen, target, alone = session.run(settings, look)
    warnings = [f"nobody consumes {one}: its replays wait there until a worker with that handler runs" for one in alone]
    for warning in warnings:
        output.note(f"note: {output.printable(warning)}")
    tally = Tally(len(chosen.letters))
    if chosen.letters and not dry_run:
        if len(chosen.letters) > 1 and not yes and dlq_options.can_ask(no_input):
            _confirm(chosen, "Replay")
        with Progress("replaying") as bar:
            session.run(
                settings,
                lambda connection, stop: replaying.replay(
                    connection, stop, chosen.letters, target, tally, rate, lambda done: bar.show(done, tally.total)
                ),
                so_far=lambda: _replayed_so_far(tally),
                notify=output.note,
            )
    to = target.subject or "the handlers that failed"
    _tell(
        chosen,
        tally,
        {"warnings": warnings, "to_subject": target.subject},
        done="replayed",
        dry_run=dry_run,
        as_json=as_json,
        what=f"replayed to {to}",
    )


def purge(
    ids: dlq_options.Ids = None,
    everything: dlq_options.Everything = False,
    service: dlq_options.Service = None,
    handler: dlq_options.Handler = None,
    reason: dlq_options.Reason = None,
    correlation: dlq_options.Correlation = None,
    since: dlq_options.Since = None,
    until: dlq_options.Until = None,
    yes: dlq_options.Yes = False,
    dry_run: dlq_options.DryRun = False,
    server: dlq_options.Server = None,
    workspace: options.Workspace = None,
    no_input: options.NoInput = False,
    as_json: options.AsJson = False,
) -> None:
    """Delete dead letters for good. A payload that is with its original message stays there.

    It asks first; --yes says that it need not. `natsgen dlq export` keeps a copy.

    \b
    Examples:
      natsgen dlq purge 17 18
      natsgen dlq purge --service billing --reason invalid --until 30d --yes
      natsgen dlq purge --all --dry-run
    """
    from natsgen.dlq import choosing, purging, session
    from natsgen.dlq.pipeline import Tally

    selection = dlq_options.Filters(service, handler, reason, correlation, since, until).need(ids, everything)
    if not (yes or dry_run or dlq_options.can_ask(no_input)):
        raise InputError("nobody can be asked whether to delete the letters: --yes says so")
    settings = dlq_options.settings(server, workspace, service)
    with Progress("reading") as bar:
        chosen = session.run(
            settings, lambda connection, _: choosing.choose(connection, selection, ids or [], bar.show)
        )
    tally = Tally(len(chosen.letters))
    if chosen.letters and not dry_run:
        if not yes:
            _confirm(chosen, "Delete")
        with Progress("deleting") as bar:
            session.run(
                settings,
                lambda connection, stop: purging.purge(
                    connection, stop, chosen.letters, tally, lambda done: bar.show(done, tally.total)
                ),
                so_far=lambda: _deleted_so_far(tally),
                notify=output.note,
            )
    _tell(chosen, tally, {}, done="deleted", dry_run=dry_run, as_json=as_json, what="deleted")


def _confirm(chosen: Chosen, verb: str) -> None:
    from natsgen.cli import dlq_story

    letters = dlq_story.counted(len(chosen.letters))
    dlq_options.confirm(dlq_story.count_lines(chosen.letters), f"{verb} {letters} at {chosen.server}?")


def _replayed_so_far(tally: Tally) -> str:
    from natsgen.cli import dlq_story

    return (
        f"{tally.done:,} of {dlq_story.counted(tally.total)} were replayed and removed, the others are still there: "
        "run the command again to go on; what was on its way is not replayed twice within the stream's duplicate "
        "window"
    )


def _deleted_so_far(tally: Tally) -> str:
    from natsgen.cli import dlq_story

    return f"{tally.done:,} of {dlq_story.counted(tally.total)} were deleted: run the command again to go on"


def _tell(
    chosen: Chosen, tally: Tally, more: dict[str, Any], *, done: str, dry_run: bool, as_json: bool, what: str
) -> None:
    """Tells what became of the letters. Raises `typer.Exit` if some could not be done."""
    from natsgen.cli import dlq_story
    from natsgen.dlq.letters import STREAM

    for line in dlq_story.failure_lines(tally, "this letter stays:"):
        output.note(line)
    if as_json:
        output.document(
            {
                "server": chosen.server,
                "stream": STREAM,
                "dry_run": dry_run,
                "chosen": tally.total,
                done: tally.done,
                "gone": tally.gone,
                "failed": [{"id": number, "error": why} for number, why in tally.failed.items()],
                "groups": dlq_story.group_documents(chosen.letters),
                **more,
            }
        )
    elif not chosen.letters:
        output.note(dlq_story.nothing(chosen))
    elif dry_run:
        output.result("\n".join(dlq_story.count_lines(chosen.letters)))
        output.note(f"{dlq_story.counted(tally.total)} would be {what}; nothing was changed")
    else:
        gone = f"; {tally.gone:,} had been removed by somebody else" if tally.gone else ""
        output.result(f"{dlq_story.counted(tally.done)} {what}{gone}")
    if tally.failed:
        raise typer.Exit(FAILED)
