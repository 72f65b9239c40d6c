"""The options and arguments that several commands share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from natsgen import workspace as workspaces
from natsgen.cli import completion, output

if TYPE_CHECKING:
    from natsgen.services.writer import Writer
    from natsgen.transaction.change import Change


def option(metavar: str, help: str) -> Any:
    """Return an option that takes a value."""
    return typer.Option(metavar=metavar, help=help)


def service_argument(help: str, metavar: str = "SERVICE") -> Any:
    """Return an argument that names services."""
    return typer.Argument(metavar=metavar, help=help, show_default=False, autocompletion=completion.services)


Workspace = Annotated[
    Path | None,
    typer.Option(
        "--workspace",
        metavar="DIR",
        help="Root of the monorepo [default: the nearest folder upwards with natsgen.toml, services/ or compose/, "
        "or the git repository]",
    ),
]
Service = Annotated[str, service_argument("Name of the service.")]
Gateway = Annotated[str, service_argument("Name of the gateway.", "GATEWAY")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print a diff of what would change; write nothing.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as one JSON document.")]
OneOfAll = Annotated[str | None, service_argument("Only this one [default: all]")]
Services = Annotated[list[str] | None, service_argument("Services to work on.")]
All = Annotated[bool, typer.Option("--all", help="All services in the workspace.")]
Force = Annotated[bool, typer.Option("--force", help="Remove files even if they were edited.")]


@dataclass(frozen=True)
class Reading:
    """The options of a command that reads a workspace."""

    workspace: Workspace = None
    as_json: AsJson = False

    @cached_property
    def place(self) -> workspaces.Workspace:
        """Return the workspace."""
        return workspaces.find(self.workspace, Path.cwd())


@dataclass(frozen=True)
class Writing(Reading):
    """The options of a command that changes a workspace."""

    dry_run: DryRun = False

    @property
    def writer(self) -> Writer:
        """Return how the command changes its workspace."""
        from natsgen.services.writer import Writer

        return Writer(self.place, self.dry_run, output.note)

    def report(
        self, change: Change, facts: Mapping[str, Any], story: Iterable[str], notes: Sequence[str] = (), would: str = ""
    ) -> None:
        """Tell what a command did, or would do.

        Args:
            change: of the workspace's files.
            facts: what `--json` prints, beside the workspace and, on a dry run, the diff.
            story: the lines for a person.
            notes: what the person should know beside.
            would: what would be done to the files on a dry run, such as "created"; "changed" if it is not given.
        """
        root = self.place.root
        if self.as_json:
            whole = {**facts, "workspace": str(root), "dry_run": self.dry_run}
            output.document({**whole, "diff": change.diff()} if self.dry_run else whole)
            return
        if self.dry_run:
            output.dry_run(change.diff(), len({*change.before, *change.after}), would or "changed", root)
        else:
            output.result("\n".join(story))
        for one in notes:
            output.note(f"note: {output.printable(one)}")


def paths(change: Change) -> dict[str, list[str]]:
    """Return the files that a command creates, changes and removes, for its document."""
    return {
        "created": [str(path) for path in change.added],
        "changed": [str(path) for path in change.replaced],
        "removed": [str(path) for path in change.removed],
    }


# What the commands take that make a service.
NewName = Annotated[
    str | None,
    typer.Argument(
        metavar="NAME", help="Name of the service: lower-case letters, digits, hyphens.", show_default=False
    ),
]
Template = Annotated[
    str | None,
    option(
        "URL_OR_PATH[@VERSION]",
        "Template of your own: a git repository, a bundle or a folder [default: the one in natsgen.toml, else "
        "natsgen's; the newest version]",
    ),
]
Context = Annotated[
    str | None, option("NAME", "Bounded context [default: the first token of the first subject, else the name]")
]
Description = Annotated[str | None, option("TEXT", "What the service does, in one line.")]
Python = Annotated[str | None, option("3.11|3.12|3.13|3.14", "Python of the container image [default: 3.13]")]
Network = Annotated[str | None, option("NAME", "Existing Docker network to join [default: the workspace's own]")]
Registry = Annotated[str | None, option("HOST", "Registry that base images are taken from [default: the public ones]")]
Data = Annotated[
    list[str] | None, option("KEY=VALUE", "Answer any question of the template by its key; may be repeated.")
]
DataFile = Annotated[Path | None, option("FILE", "Answers in a YAML or JSON mapping; options and --data go before it.")]
Envelope = Annotated[
    str | None, option("domain|message|cloudevents", "Envelope that its messages travel in [default: domain]")
]
Image = Annotated[str | None, option("slim|alpine", "Base of the container image [default: slim]")]
Extras = Annotated[
    list[str] | None,
    typer.Option(
        "--with",
        metavar="EXTRA,...",
        help="Packages that no part needs, such as kv,objects (natsgen extras lists them); may be repeated.",
        autocompletion=completion.extras,
    ),
]
