"""`natsgen dev`: runs NATS and the services of the workspace on this machine."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from natsgen.cli import options
from natsgen.errors import InputError, NatsgenError

NEEDED = ("watchfiles", "starlette", "uvicorn")
Server = Annotated[str | None, options.option("URL", "Use this NATS server instead of starting one.")]


def dev(
    services: Annotated[
        list[str] | None,
        options.service_argument("Only these services [default: all, including new ones]", "[SERVICE]..."),
    ] = None,
    server: Server = None,
    data_dir: Annotated[
        Path | None, options.option("DIR", "Keep the streams in this folder [default: deleted at the end]")
    ] = None,
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, metavar="N", help="Port of the page [default: 8484, or a free one]")
    ] = None,
    no_ui: Annotated[bool, typer.Option("--no-ui", help="Do not serve the page.")] = False,
    workspace: options.Workspace = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print each log line as a JSON object.")] = False,
) -> None:
    """Run NATS and the services of the workspace, with reload and a page.

    This starts a NATS server with JetStream, Consul if `consul` is installed, and each service as a process in its own
    virtual environment, which the first run creates. An edit restarts only its service, gracefully. If an edit breaks
    a service, its events wait until you fix it. The page shows messages, their outcomes and dead letters, and can
    publish events; natsgen prints its address. Ctrl-C stops everything in order.

    This command needs the extra `natsgen[dev]`.

    \b
    Examples:
      natsgen dev
      natsgen dev billing shipping
      natsgen dev --data-dir ~/.cache/shop --json
    """
    if missing := [name for name in NEEDED if find_spec(name) is None]:
        raise NatsgenError(
            f"natsgen dev needs {', '.join(missing)}: install the extra, such as with "
            "`pip install 'natsgen[dev]'` or `uv tool install 'natsgen[dev]'`"
        )
    if server and data_dir:
        raise InputError("specify --server or --data-dir, not both; --data-dir is for the server that natsgen starts")
    from natsgen import workspace as workspaces
    from natsgen.dev import session

    session.run(
        session.Options(
            root=workspaces.find(workspace, Path.cwd()).root,
            services=tuple(services or ()),
            server=server or "",
            data=data_dir,
            port=port,
            page=not no_ui,
            as_json=as_json,
        )
    )
