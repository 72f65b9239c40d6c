"""The options and arguments that several commands share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from natsgen.cli import completion, output
from natsgen.errors import FAILED
from natsgen.files import workspace as workspaces

if TYPE_CHECKING:
    from natsgen.services.writer import Writer
    from natsgen.transaction.change import Change


def value(metavar: str, help: str, *names: str, default: object = None, **rules: Any) -> Any:
    """Return an option with a value, as the default of a parameter.

    Args:
        metavar: what the value is, in the help.
        help: the help.
        names: the names, if they are not the parameter's.
        default: the value if it is not given.
        rules: Typer's options for the value, such as `min`.
    """
    return typer.Option(default, *names, metavar=metavar, help=help, **rules)


def switch(name: str, help: str, *names: str) -> Any:
    """Return an option without a value, as the default of a parameter."""
    return typer.Option(False, name, *names, help=help)


def argument(metavar: str, help: str, default: object = ..., **rules: Any) -> Any:
    """Return an argument, as the default of a parameter; required unless a default is given."""
    return typer.Argument(default, metavar=metavar, help=help, **{"show_default": False, **rules})


def service_argument(help: str, metavar: str = "SERVICE") -> Any:
    """Return an argument that names services, for `Annotated`."""
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
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as one JSON document.")]
OneOfAll = Annotated[str | None, service_argument("Only this service [default: all]")]
Services = Annotated[list[str] | None, service_argument("Services to work on.")]
All = Annotated[bool, typer.Option("--all", help="All services in the workspace.")]
Force = Annotated[bool, typer.Option("--force", help="Remove files even if they were edited.")]
TEMPLATE = value(
    "URL_OR_PATH[@VERSION]",
    "Your own template: a git repository, a bundle or a folder [default: the one in natsgen.toml, or natsgen's; "
    "the newest version]",
)


@dataclass(frozen=True)
class Reading:
    """The options of a command that reads a workspace."""

    workspace: Workspace = None
    as_json: AsJson = False

    @cached_property
    def place(self) -> workspaces.Workspace:
        """Return the workspace."""
        return workspaces.find(self.workspace, Path.cwd())

    def end(
        self, document: Mapping[str, Any], lines: Iterable[str] = (), note: str = "", *, failed: bool = False
    ) -> None:
        """Print what a command found or did, and end the command.

        Args:
            document: the JSON document.
            lines: the lines of the text output.
            note: a note after them, on standard error.
            failed: whether the exit code is 1.
        """
        if self.as_json:
            output.document(document)
        else:
            if text := "\n".join(lines):
                output.result(text)
            if note:
                output.note(note)
        if failed:
            raise typer.Exit(FAILED)


@dataclass(frozen=True)
class Writing(Reading):
    """The options of a command that changes a workspace."""

    dry_run: bool = switch("--dry-run", "Print a diff of what would change; write nothing.")

    @property
    def writer(self) -> Writer:
        """Return the writer for the workspace."""
        from natsgen.services.writer import Writer

        return Writer(self.place, self.dry_run, output.note)

    def report(
        self,
        change: Change,
        facts: Mapping[str, Any],
        story: Iterable[str],
        notes: Iterable[str] = (),
        would: str = "changed",
    ) -> None:
        """Report what a command did or, on a dry run, would do.

        Args:
            change: the change of the workspace's files.
            facts: the fields of the JSON document, besides the workspace and, on a dry run, the diff.
            story: the lines of the text output.
            notes: additional notes.
            would: the participle for the files on a dry run, such as "created".
        """
        document = {**facts, "workspace": self.place.root, "dry_run": self.dry_run}
        more = "\n".join(f"note: {output.printable(one)}" for one in notes)
        if not self.dry_run:
            self.end(document, story, more)
        elif self.as_json:
            output.document({**document, "diff": change.diff()})
        else:
            output.dry_run(change.diff(), len({*change.before, *change.after}), would, self.place.root)
            self.end({}, note=more)


def paths(change: Change) -> dict[str, Any]:
    """Return the files that a command creates, changes and removes, for its JSON document."""
    return {"created": change.added, "changed": change.replaced, "removed": change.removed}
