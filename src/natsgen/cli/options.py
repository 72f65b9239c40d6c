"""The options and arguments that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from natsgen.cli import completion

Workspace = Annotated[
    Path | None,
    typer.Option(
        "--workspace",
        metavar="DIR",
        help="Root of the monorepo [default: upwards from here, the folder with natsgen.toml, services/ or compose/, "
        "or the git repository]",
    ),
]
Service = Annotated[
    str,
    typer.Argument(
        metavar="SERVICE", help="Name of the service.", show_default=False, autocompletion=completion.services
    ),
]
Gateway = Annotated[
    str,
    typer.Argument(
        metavar="GATEWAY", help="Name of the gateway.", show_default=False, autocompletion=completion.services
    ),
]
NoInput = Annotated[bool, typer.Option("--no-input", help="Never ask; what is missing is an error.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would change, as a diff; write nothing.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")]
