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
    """Return an option with a value."""
    return typer.Option(metavar=metavar, help=help)


def service_argument(help: str, metavar: str = "SERVICE") -> Any:
    """Return an argument that names services."""
    return typer.Argument(metavar=metavar, help=help, show_default=False, autocompletion=completion.services)


Workspace = Annotated[
    Path | None,
    typer.Option(
        "--workspace",
        metavar="DIR",
        help="Root of the monorepo [default: the nearest parent with natsgen.toml, services/ or compose/, or the git "
        "repository]",
    ),
]
Service = Annotated[str, service_argument("Name of the service.")]
Gateway = Annotated[str, service_argument("Name of the gateway.", "GATEWAY")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print a diff of what would change; write nothing.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as one JSON document.")]
OneOfAll = Annotated[str | None, service_argument("Only this service [default: all]")]
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
        """Return the writer for the workspace."""
        from natsgen.services.writer import Writer

        return Writer(self.place, self.dry_run, output.note)

    def report(
        self, change: Change, facts: Mapping[str, Any], story: Iterable[str], notes: Sequence[str] = (), would: str = ""
    ) -> None:
        """Report what a command did or, on a dry run, would do.

        Args:
            change: the change of the workspace's files.
            facts: the fields of the JSON document, besides the workspace and, on a dry run, the diff.
            story: the lines of the text output.
            notes: additional notes.
            would: the participle for the files on a dry run, such as "created"; "changed" by default.
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
    """Return the files that a command creates, changes and removes, for its JSON document."""
    return {
        "created": [str(path) for path in change.added],
        "changed": [str(path) for path in change.replaced],
        "removed": [str(path) for path in change.removed],
    }


# The options of commands that create a service.
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
        "Your own template: a git repository, a bundle or a folder [default: the one in natsgen.toml, or natsgen's; "
        "the newest version]",
    ),
]
Context = Annotated[
    str | None, option("NAME", "Bounded context [default: the first token of the first subject, or the name]")
]
Description = Annotated[str | None, option("TEXT", "What the service does, in one line.")]
Python = Annotated[str | None, option("3.11|3.12|3.13|3.14", "Python of the container image [default: 3.13]")]
Network = Annotated[str | None, option("NAME", "Existing Docker network to join [default: the workspace's own]")]
Registry = Annotated[str | None, option("HOST", "Registry of the base images [default: the public ones]")]
Data = Annotated[
    list[str] | None, option("KEY=VALUE", "Answer to any question of the template, by its key (repeatable).")
]
DataFile = Annotated[Path | None, option("FILE", "Answers as a YAML or JSON mapping; options and --data override it.")]
Envelope = Annotated[
    str | None, option("domain|message|cloudevents", "Envelope of the service's messages [default: domain]")
]
Image = Annotated[str | None, option("slim|alpine", "Base of the container image [default: slim]")]
Extras = Annotated[
    list[str] | None,
    typer.Option(
        "--with",
        metavar="EXTRA,...",
        help="Extras to include, such as kv,objects; natsgen extras lists them (repeatable).",
        autocompletion=completion.extras,
    ),
]
