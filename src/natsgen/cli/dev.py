"""`natsgen dev`: runs NATS and the services of the workspace on this machine."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from natsgen.cli import completion, options
from natsgen.cli.options import argument, switch, value
from natsgen.errors import InputError, NatsgenError

NEEDED = ("watchfiles", "starlette", "uvicorn")


def dev(
    services: list[str] | None = argument(
        "SERVICE",
        "Only these services [default: all, including new ones]",
        None,
        autocompletion=completion.services,
    ),
    server: str | None = value("URL", "Use this NATS server instead of starting one."),
    data_dir: Path | None = value("DIR", "Keep the streams in this folder [default: deleted at the end]"),
    port: int | None = value("N", "Port of the page [default: 8484, or a free one]", min=1, max=65535),
    no_ui: bool = switch("--no-ui", "Do not serve the page."),
    workspace: options.Workspace = None,
    as_json: bool = switch("--json", "Print each log line as a JSON object."),
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
    from natsgen.dev import session
    from natsgen.files import workspace as workspaces

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
