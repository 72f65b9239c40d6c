"""The options that the commands of `natsgen dlq` share."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from natsgen.cli import completion, options, output
from natsgen.cli.options import argument, switch, value
from natsgen.errors import InputError, StoppedError

if TYPE_CHECKING:
    from natsgen.dlq.selection import Chosen, Selection
    from natsgen.dlq.settings import Settings

Connecting = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Use the connection settings in this service's .env.",
        autocompletion=completion.services,
    ),
]


@dataclass(frozen=True)
class Reaching(options.Reading):
    """The options of every command."""

    server: str | None = value(
        "URL[,URL]",
        "NATS servers [default: the server of a running natsgen dev, or the worker's NATS_URL, or "
        "nats://localhost:4222]",
    )

    def settings(self, service: str | None) -> Settings:
        """Return the connection settings, with the server of `--server`, of a running `natsgen dev`, or of a service.

        The other settings come from the environment and the `.env` of the service in the workspace.

        Raises:
            InputError: a setting is invalid.
        """
        from natsgen.dev import running
        from natsgen.dlq import settings
        from natsgen.files.workspace import SERVICES

        root = self.place.root
        dev = None if self.server is not None else running.find(root)
        if dev and os.environ.get("NATS_URL"):
            output.note(
                f"connecting to {dev.nats}, the NATS server of the running natsgen dev, not to NATS_URL; use --server "
                "to override"
            )
        folder = root / SERVICES / service if service is not None else None
        found = folder if folder and folder.is_dir() else None
        return settings.read(dev.nats if dev else self.server, os.environ, found)


@dataclass(frozen=True)
class Filters:
    """The options that choose dead letters."""

    service: str | None = value(
        "NAME",
        "Only dead letters of this service. Also uses the connection settings in its .env.",
        autocompletion=completion.services,
    )
    handler: str | None = value("NAME", "Only dead letters of this handler.", autocompletion=completion.handlers)
    reason: str | None = value(
        "REASON",
        "Only dead letters with this reason: crashed, exhausted, invalid or rejected.",
        autocompletion=completion.reasons,
    )
    correlation: str | None = value("ID", "Only dead letters with this correlation ID.")
    since: str | None = value(
        "TIME", "Only dead letters since this time, such as 2026-03-01T12:00:00Z, or 2h for two hours ago."
    )
    until: str | None = value("TIME", "Only dead letters until this time.")

    def selection(self) -> Selection:
        """Return the parsed filters. Raises `InputError` if one is invalid."""
        from natsgen import messages
        from natsgen.dlq import selection

        now = datetime.now(UTC)
        rules: dict[str, Callable[[str], Any]] = {
            "service": selection.token,
            "handler": selection.token,
            "reason": selection.reason,
            "correlation": str,
            "since": lambda text: selection.time(text, now),
            "until": lambda text: selection.time(text, now),
        }
        given = {key: text for key in rules if (text := getattr(self, key)) is not None}
        found = selection.Selection(**{key: messages.located(f"--{key}", rules[key], given[key]) for key in given})
        if found.since and found.until and found.since > found.until:
            raise InputError(f"--since {self.since} is later than --until {self.until}: no dead letter can match")
        return found


@dataclass(frozen=True)
class Which(Filters):
    """The options of a command that changes dead letters."""

    ids: list[int] | None = argument("ID", "IDs of dead letters.", None, min=1)
    everything: bool = switch("--all", "All dead letters.")
    yes: bool = switch("--yes", "Do not ask.", "-y")
    dry_run: bool = switch("--dry-run", "Show which dead letters are affected; change nothing.")

    def need(self) -> Selection:
        """Return the parsed filters of a command that requires a choice.

        Raises:
            InputError: nothing is chosen, or `--all` is combined with IDs or filters.
        """
        found = self.selection()
        if not self.ids and not self.everything and found.is_everything:
            raise InputError("specify IDs, a filter such as --service, or --all")
        if self.everything and (self.ids or not found.is_everything):
            raise InputError("--all cannot be combined with IDs or filters")
        return found


def confirm(counts: Sequence[str], question: str) -> None:
    """Show the counts, and ask the user to confirm.

    Raises:
        StoppedError: the answer is not yes.
    """
    if not output.confirm(question, "\n".join(counts)):
        raise StoppedError("nothing was changed")


def choose(settings: Settings, wanted: Selection, ids: Sequence[int] = ()) -> Chosen:
    """Find the chosen dead letters, with a progress bar."""
    from natsgen.cli import progress
    from natsgen.dlq import command, selection

    with progress.bar("reading") as show:
        return command.run(settings, lambda server, _: selection.choose(server, wanted, ids, show))
