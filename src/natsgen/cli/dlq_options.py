"""What the commands of `natsgen dlq` take in common, and how they make sense of it."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from natsgen.cli import completion, options, output
from natsgen.errors import InputError, StoppedError

if TYPE_CHECKING:
    from natsgen.dlq.selection import Chosen, Selection
    from natsgen.dlq.settings import Settings

_Value = TypeVar("_Value")

Connecting = Annotated[
    str | None,
    typer.Option(
        "--service",
        metavar="NAME",
        help="Connect as the .env of this service tells.",
        autocompletion=completion.services,
    ),
]
Server = Annotated[
    str | None,
    options.option(
        "URL[,URL]",
        "NATS servers [default: that of natsgen dev if it runs, else the worker's NATS_URL, else "
        "nats://localhost:4222]",
    ),
]


@dataclass(frozen=True)
class Reaching(options.Reading):
    """The options that every command takes."""

    server: Server = None

    def settings(self, service: str | None) -> Settings:
        """Return how to connect: to `--server`, else to the NATS of a running `natsgen dev`, else as a service does.

        The environment and the `.env` of the service in the workspace say the rest.

        Raises:
            InputError: a setting cannot be used.
        """
        from natsgen.dev import running
        from natsgen.dlq import settings
        from natsgen.workspace import SERVICES

        root = self.place.root
        dev = None if self.server is not None else running.find(root)
        if dev and os.environ.get("NATS_URL"):
            output.note(
                f"natsgen dev runs here: connecting to its NATS, {dev.nats}, not to NATS_URL; --server goes before"
            )
        folder = root / SERVICES / service if service is not None else None
        found = folder if folder and folder.is_dir() else None
        return settings.read(dev.nats if dev else self.server, os.environ, found)


@dataclass(frozen=True)
class Filters:
    """The options that choose dead letters."""

    service: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Only dead letters of this service. Its .env in the workspace tells how to connect.",
            autocompletion=completion.services,
        ),
    ] = None
    handler: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Only dead letters of this handler.", autocompletion=completion.handlers),
    ] = None
    reason: Annotated[
        str | None,
        typer.Option(
            metavar="REASON",
            help="Only dead letters with this reason: crashed, exhausted, invalid or rejected.",
            autocompletion=completion.reasons,
        ),
    ] = None
    correlation: Annotated[str | None, options.option("ID", "Only dead letters with this correlation ID.")] = None
    since: Annotated[
        str | None,
        options.option("TIME", "Only dead letters since then: 2026-03-01T12:00:00Z, or 2h for two hours ago."),
    ] = None
    until: Annotated[str | None, options.option("TIME", "Only dead letters until then.")] = None

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


@dataclass(frozen=True)
class Which(Filters):
    """The options of a command that changes dead letters."""

    ids: Annotated[
        list[int] | None, typer.Argument(metavar="[ID]...", min=1, help="IDs of dead letters.", show_default=False)
    ] = None
    everything: Annotated[bool, typer.Option("--all", help="All dead letters.")] = False
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show which dead letters are affected; change nothing.")
    ] = False

    def need(self) -> Selection:
        """Return what the filters mean; it must have been said which letters.

        Raises:
            InputError: nothing is chosen, or all and also some.
        """
        found = self.selection()
        if not self.ids and not self.everything and found.is_everything:
            raise InputError("specify IDs, a filter such as --service, or --all")
        if self.everything and (self.ids or not found.is_everything):
            raise InputError("--all cannot be combined with IDs or filters")
        return found


def confirm(counts: Sequence[str], question: str) -> None:
    """Ask the person, who sees what it is about.

    Raises:
        StoppedError: the answer is no, or none.
    """
    try:
        answer = output.ask(question, "no", "\n".join(counts))
    except EOFError:
        answer = ""
    if answer.lower() not in ("y", "yes"):
        raise StoppedError("nothing was changed")


def choose(settings: Settings, wanted: Selection, ids: Sequence[int] = ()) -> Chosen:
    """Find the dead letters that a command is about, and show how far it is."""
    from natsgen.cli.progress import Progress
    from natsgen.dlq import connection, selection

    with Progress("reading") as bar:
        return connection.run(settings, lambda server, _: selection.choose(server, wanted, ids, bar.show))
