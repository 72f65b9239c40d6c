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
        help="Root of the monorepo [default: the nearest folder upwards with natsgen.toml, services/ or compose/, "
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
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print a diff of what would change; write nothing.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as one JSON document.")]
Force = Annotated[bool, typer.Option("--force", help="Remove files even if they were edited.")]
Core = Annotated[bool, typer.Option("--core", help="Publish by core NATS, to whoever listens, and not to a stream.")]

# What the commands take that make a service.
NewName = Annotated[
    str | None,
    typer.Argument(
        metavar="NAME", help="Name of the service: lower-case letters, digits, hyphens.", show_default=False
    ),
]
Template = Annotated[
    str | None,
    typer.Option(
        metavar="URL_OR_PATH[@VERSION]",
        help="Template of your own: a git repository, a bundle or a folder [default: the one in natsgen.toml, else "
        "natsgen's; the newest version]",
    ),
]
Context = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Bounded context [default: the first token of the first subject, else the name]"),
]
Description = Annotated[str | None, typer.Option(metavar="TEXT", help="What the service does, in one line.")]
Dedup = Annotated[
    str | None,
    typer.Option(metavar="none|nats-kv|redis", help="Where handled message ids are kept [default: none]"),
]
Python = Annotated[
    str | None,
    typer.Option(metavar="3.11|3.12|3.13|3.14", help="Python of the container image [default: 3.13]"),
]
Network = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Existing Docker network to join [default: the workspace's own]"),
]
Registry = Annotated[
    str | None,
    typer.Option(metavar="HOST", help="Registry that base images are taken from [default: the public ones]"),
]
Data = Annotated[
    list[str] | None,
    typer.Option(metavar="KEY=VALUE", help="Answer any question of the template by its key; may be repeated."),
]
DataFile = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Answers in a YAML or JSON mapping; options and --data go before it."),
]
Envelope = Annotated[
    str | None,
    typer.Option(metavar="domain|message|cloudevents", help="Envelope that its messages travel in [default: domain]"),
]
Image = Annotated[
    str | None,
    typer.Option(metavar="slim|alpine", help="Base of the container image [default: slim]"),
]
Extras = Annotated[
    list[str] | None,
    typer.Option(
        "--with",
        metavar="EXTRA,...",
        help="Packages that no part needs, such as kv,objects (natsgen extras lists them); may be repeated.",
        autocompletion=completion.extras,
    ),
]
