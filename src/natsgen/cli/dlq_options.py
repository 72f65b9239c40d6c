"""What the commands of `natsgen dlq` take in common, and how they make sense of it."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from natsgen.cli import completion, output
from natsgen.errors import InputError, StoppedError

if TYPE_CHECKING:
    from natsgen.dlq.selection import Chosen, Selection
    from natsgen.dlq.settings import Settings

_Value = TypeVar("_Value")

Ids = Annotated[
    list[int] | None, typer.Argument(metavar="[ID]...", min=1, help="IDs of dead letters.", show_default=False)
]
Everything = Annotated[bool, typer.Option("--all", help="All dead letters.")]
Service = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Only dead letters of this service. Its .env in the workspace tells how to connect.",
        autocompletion=completion.services,
    ),
]
Handler = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Only dead letters of this handler.", autocompletion=completion.handlers),
]
Reason = Annotated[
    str | None,
    typer.Option(
        metavar="REASON",
        help="Only dead letters with this reason: crashed, exhausted, invalid or rejected.",
        autocompletion=completion.reasons,
    ),
]
Correlation = Annotated[str | None, typer.Option(metavar="ID", help="Only dead letters with this correlation ID.")]
Since = Annotated[
    str | None,
    typer.Option(metavar="TIME", help="Only dead letters since then: 2026-03-01T12:00:00Z, or 2h for two hours ago."),
]
Until = Annotated[str | None, typer.Option(metavar="TIME", help="Only dead letters until then.")]
Server = Annotated[
    str | None,
    typer.Option(
        metavar="URL[,URL]",
        help="NATS servers [default: that of natsgen dev if it runs, else the worker's NATS_URL, else "
        "nats://localhost:4222]",
    ),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show which dead letters are affected; change nothing.")]


@dataclass(frozen=True)
class Filters:
    """The filters as they were typed."""

    service: str | None
    handler: str | None
    reason: str | None
    correlation: str | None
    since: str | None
    until: str | None

    def selection(self) -> Selection:
        """Return what they mean. Raises `InputError` for one that means nothing."""
        from natsgen import messages
        from natsgen.dlq import selection

        now = datetime.now(UTC)

        def parsed(option: str, rule: Callable[[str], _Value], text: str | None) -> _Value | None:
            return None if text is None else messages.located(option, rule, text)

        found = selection.Selection(
            service=parsed("--service", selection.token, self.service),
            handler=parsed("--handler", selection.token, self.handler),
            reason=parsed("--reason", selection.reason, self.reason),
            correlation=self.correlation,
            since=parsed("--since", lambda text: selection.time(text, now), self.since),
            until=parsed("--until", lambda text: selection.time(text, now), self.until),
        )
        if found.since and found.until and found.since > found.until:
            raise InputError(f"--since {self.since} is later than --until {self.until}: no dead letter can match")
        return found

    def need(self, ids: Sequence[int] | None, everything: bool) -> Selection:
        """Return what they mean to a command that changes something: it must have been said which letters.

        Raises:
            InputError: nothing is chosen, or all and also some.
        """
        found = self.selection()
        if not ids and not everything and found.is_everything:
            raise InputError("specify IDs, a filter such as --service, or --all")
        if everything and (ids or not found.is_everything):
            raise InputError("--all cannot be combined with IDs or filters")
        return found


def settings(server: str | None, workspace: Path | None, service: str | None) -> Settings:
    """Return how to connect: to `server`, else to the NATS of a running `natsgen dev`, else as the service does.

    The environment and the `.env` of the service in the workspace say the rest.

    Raises:
        InputError: a setting cannot be used.
    """
    from natsgen import workspace as workspaces
    from natsgen.dev import running
    from natsgen.dlq import settings
    from natsgen.workspace import SERVICES

    root = workspaces.find(workspace, Path.cwd()).root
    dev = None if server is not None else running.find(root)
    if dev and os.environ.get("NATS_URL"):
        output.note(f"natsgen dev runs here: connecting to its NATS, {dev.nats}, not to NATS_URL; --server goes before")
    folder = root / SERVICES / service if service is not None else None
    return settings.read(dev.nats if dev else server, os.environ, folder if folder and folder.is_dir() else None)


def confirm(counts: Sequence[str], question: str) -> None:
    """Asks the person, who sees what it is about.

    Raises:
        StoppedError: the answer is no, or none.
    """
    try:
        answer = output.ask(question, "no", "\n".join(counts))
    except EOFError:
        answer = ""
    if answer.lower() not in ("y", "yes"):
        raise StoppedError("nothing was changed")


def choose(settings: Settings, wanted: Selection, ids: Sequence[int]) -> Chosen:
    """Finds the dead letters that a command is about, and shows how far it is."""
    from natsgen.cli.progress import Progress
    from natsgen.dlq import connection, selection

    with Progress("reading") as bar:
        return connection.run(settings, lambda server, _: selection.choose(server, wanted, ids, bar.show))
